"""Finds where a training writes its checkpoints."""

import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

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
        before, _, after = _NUMBER.sub('\n', self.template, 1).partition('\n')
        pattern = re.compile(rf'{re.escape(before)}(\d+){re.escape(after)}')
        found = (
            (pattern.fullmatch(path.name), path) for path in folder.iterdir()
        )
        return [(int(match[1]), path) for match, path in found if match]

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
        # As the hook puts it together.
        name = Path(folder).resolve().name
        folder = f'{str(hook["out_dir"]).rstrip("/")}/{name}'
    return CheckpointPlace(
        folder, hook.get('filename_tmpl') or f'{unit}_{{}}.pth'
    )
