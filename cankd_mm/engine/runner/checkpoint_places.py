"""Finds where a training writes its checkpoints."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from cankd_mm.checkpoint.checkpoint_names import (
    checkpoint_pattern,
    folder_of,
    is_checkpoint_name,
)

# Of a template, with or without a format: {}, {:03d}.
_NUMBER = re.compile(r'\{[^}]*\}')


@dataclass(frozen=True)
class CheckpointPlace:
    """Where one ``CheckpointHook`` writes.

    Attributes:
        folder: A folder, or an address that only MMEngine can read.
        template: The files' names, with ``{}`` for an epoch or iteration.
    """

    folder: str
    template: str

    def files(self) -> list[tuple[int, Path]]:
        """Return the checkpoints with the numbers in their names.

        Those of an address cannot be listed.
        """
        folder = Path(self.folder)
        if '://' in self.folder or not folder.is_dir():
            return []
        pattern = checkpoint_pattern(self.template)
        found = (
            (pattern.fullmatch(path.name), path) for path in folder.iterdir()
        )
        return [
            # A template without a number names one file.
            (int(match[1]) if pattern.groups else 0, path)
            for match, path in found
            if match
        ]

    def is_written(self, name: str) -> bool:
        """Return whether a training with this hook writes such a file.

        Args:
            name: Of a checkpoint, a best one, or the student of one.
        """
        stem, suffix = os.path.splitext(name)
        # `StudentCheckpointHook` names all of its files `.pth`.
        of_student = stem.removesuffix('_student')
        if suffix == '.pth' and of_student != stem:
            suffix = os.path.splitext(self.template)[1]
            stem = of_student
        return is_checkpoint_name(stem + suffix, self.template)

    def __str__(self) -> str:
        """Name the files."""
        separator = '' if self.folder.endswith('/') else '/'
        return f'{self.folder}{separator}{_NUMBER.sub("*", self.template)}'


def checkpoint_places(cfg: Config) -> list[CheckpointPlace]:
    """Find where a config's training writes its checkpoints.

    Args:
        cfg: With a ``work_dir``.
    """
    # MMEngine's default hooks include one.
    hooks = [dict(type='CheckpointHook')]
    if 'checkpoint' in (cfg.get('default_hooks') or {}):
        hooks = [cfg.default_hooks['checkpoint']]
    hooks += cfg.get('custom_hooks') or []
    places = [_place(hook, cfg.work_dir) for hook in hooks if _is_saving(hook)]
    return list(dict.fromkeys(places))


def _is_saving(hook) -> bool:
    kind = hook.get('type') if isinstance(hook, dict) else None
    if isinstance(kind, str):
        name, kind = kind, HOOKS.get(kind)
        if kind is None:
            # Of a library that the runner will have imported.
            return name.endswith('CheckpointHook')
    return isinstance(kind, type) and issubclass(kind, CheckpointHook)


def _place(hook: dict, work_dir: str) -> CheckpointPlace:
    unit = 'epoch' if hook.get('by_epoch', True) else 'iter'
    folder = str(work_dir)
    if hook.get('out_dir') is not None:
        folder = folder_of(hook['out_dir'], os.path.abspath(work_dir))
    return CheckpointPlace(
        folder, hook.get('filename_tmpl') or f'{unit}_{{}}.pth'
    )
