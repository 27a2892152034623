"""Finds the checkpoint that a training goes on from.

The first process decides, because it holds the work dir: nobody writes or
removes checkpoints meanwhile. The others learn its choice once all processes
are connected.
"""

import contextlib
import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, get_world_size
from mmengine.runner import Runner

from cankd_mm.checkpoint.errors import UnsafeCheckpointError
from cankd_mm.engine.runner.checkpoint_places import checkpoint_places
from cankd_mm.engine.runner.recorded_progress import (
    progress_of,
    recorded_progress,
)
from cankd_mm.utils.checkpoint import find_checkpoint, read_checkpoint

# What `--resume` without a path and `--resume auto` ask for.
NEWEST = 'newest'
AUTO = 'auto'

# A level of `logging` and a text, for the log file that does not exist yet.
Note = tuple[int, str]

_PARTS = ('meta', 'state_dict', 'message_hub')


class NothingToResumeError(FileNotFoundError):
    """There is no checkpoint that a training could go on from."""


def requested_resume(cfg: Config, option: str | None) -> str | None:
    """Return what a run resumes: None, ``NEWEST``, ``AUTO`` or a path.

    Args:
        cfg: Counts where the command line asks for nothing. ``resume=True``
            resumes ``load_from``, or without one what ``AUTO`` finds, which
            is MMEngine's own meaning.
        option: ``--resume``.
    """
    if option is not None:
        return option
    if cfg.get('resume'):
        return cfg.get('load_from') or AUTO
    return None


def set_resume(cfg: Config, requested: str) -> list[Note]:
    """Make a config resume from a checkpoint that can be resumed from.

    For the first process only; see :func:`agree_on_resume`.

    Args:
        cfg: With a ``work_dir``. Its ``resume`` and ``load_from`` are set.
            Where ``AUTO`` finds nothing, ``load_from`` stays: it is what a
            new training starts with.
        requested: ``NEWEST`` or ``AUTO`` for the readable checkpoint that was
            written last in the folders of the config's training, or a path.
            Of a config with ``runner_type`` the path may be a folder, such as
            DeepSpeed writes; the runner reads it.

    Returns:
        What to report: the checkpoint and its progress, which ones were
        passed over and why, and of which training others may be.

    Raises:
        NothingToResumeError: ``NEWEST`` finds nothing.
        FileNotFoundError: There is no such file.
        PermissionError: A file may not be read.
        UnsafeCheckpointError: A file holds more than data.
        ValueError: The file cannot be read or is not the state of a training.
    """
    if requested not in (NEWEST, AUTO):
        key = 'load_from' if requested == cfg.get('load_from') else '--resume'
        if cfg.get('runner_type') and os.path.isdir(requested):
            cfg.resume, cfg.load_from = True, requested
            return [(logging.INFO, f'resumes from the folder {requested}')]
        path = find_checkpoint(requested, key)
        progress, has_optimizer = _read_state(requested, key)
        cfg.resume, cfg.load_from = True, path
        return [_chosen(path, progress, has_optimizer)]
    search = _Search(cfg)
    found = search.newest()
    notes = [
        (logging.WARNING, f'--resume passes over {path}: {reason}')
        for path, reason in search.passed_over.items()
    ]
    if found is not None:
        path, progress = found
        cfg.resume, cfg.load_from = True, path
        chosen = _chosen(path, progress, path not in search.no_optimizer)
        return [*notes, *search.hints(path, progress), chosen]
    if requested == AUTO:
        cfg.resume = False
        return [
            *notes,
            (
                logging.WARNING,
                f'nothing to resume: {search.absence()}\n'
                'The training starts anew',
            ),
        ]
    raise NothingToResumeError(
        f'--resume: {search.absence()}\n'
        '--resume PATH goes on from another file; --resume auto starts anew '
        'where there is nothing to resume'
    )


def agree_on_resume(runner: Runner) -> None:
    """Make all processes resume from what the first one has chosen.

    Args:
        runner: Built, so that the processes are connected.

    Raises:
        FileNotFoundError: The choice is not on the disk of this process.
    """
    if get_world_size() > 1:
        choice = [(runner._resume, runner._load_from)]
        broadcast_object_list(choice)
        runner._resume, runner._load_from = is_resumed, path = choice[0]
        if is_resumed and '://' not in path and not os.path.exists(path):
            raise FileNotFoundError(
                f'--resume: there is no {path} on this node '
                f'({socket.gethostname()}), from which the first process goes '
                'on. All nodes need the work dir on a shared disk, or a copy '
                'of this file under the same path'
            )


@dataclass
class _Search:
    """Look for checkpoints where a config's training writes them.

    Attributes:
        passed_over: Files that cannot be resumed from, with the reasons.
        no_optimizer: Files without the state of the optimizer.
        recorded: Iteration and epoch of each checkpoint that has them.
    """

    cfg: Config
    passed_over: dict[str, str] = field(default_factory=dict)
    no_optimizer: set[str] = field(default_factory=set)
    recorded: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = checkpoint_places(self.cfg)
        self.last = self._last_checkpoint()

    def newest(self) -> tuple[str, tuple[int, int]] | None:
        """Return the readable checkpoint that was written last.

        It is the one that ``last_checkpoint`` names: files with more
        iterations may be of an earlier training in the same folder. Only one
        that was written later and has more iterations is newer: the run was
        killed before it renewed ``last_checkpoint``. Where that names no
        readable checkpoint, it is the one with the most iterations.
        """
        for path in self._files():
            # Those without are few, and as a rule damaged, which shows at
            # once. One that can be read all the same takes part.
            progress = recorded_progress(path) or self._try(path)
            if progress is not None:
                self.recorded[path] = progress
        candidates = [(p, path) for path, p in self.recorded.items()]
        if self.last in self.recorded:
            found = self._first_readable(
                [item for item in candidates if self._is_newer(item[1])]
            ) or self._first_readable([(self.recorded[self.last], self.last)])
            if found is not None:
                return found
        return self._first_readable(candidates)

    def _is_newer(self, path: str) -> bool:
        """Return whether a checkpoint follows ``last_checkpoint``."""
        with contextlib.suppress(OSError):
            return (
                self.recorded[path] > self.recorded[self.last]
                and os.stat(path).st_mtime_ns > os.stat(self.last).st_mtime_ns
            )
        return False

    def _first_readable(
        self, candidates: list[tuple[tuple[int, int], str]]
    ) -> tuple[str, tuple[int, int]] | None:
        """Return the readable candidate with the most iterations."""
        for _, path in sorted(candidates, reverse=True):
            if path in self.passed_over:
                continue
            progress = self._try(path)
            if progress is not None:
                return path, progress
        return None

    def hints(self, path: str, progress: tuple[int, int]) -> list[Note]:
        """Report files that seem to be of an earlier training."""
        further = [
            (found, other)
            for other, found in self.recorded.items()
            if found > progress and other not in self.passed_over
        ]
        if not further:
            return []
        found, other = max(further)
        return [
            (
                logging.WARNING,
                f'{other} has more iterations ({found[0]}) than {path} '
                f'({progress[0]}), but was not written after it: it seems to '
                'be of an earlier training in this folder. If it is not, '
                f'--resume {other} goes on with it',
            )
        ]

    def absence(self) -> str:
        """Say what was looked for and what was found instead."""
        places = ', '.join(map(str, self.places))
        if not self.places:
            return 'the config has no CheckpointHook that writes any.'
        if not self.passed_over:
            return f'there is no checkpoint {places}.'
        files = '\n'.join(
            f'  {path}: {reason}' for path, reason in self.passed_over.items()
        )
        return f'no checkpoint {places} can be resumed from:\n{files}'

    def _files(self) -> list[str]:
        """Return the candidates, the highest number first."""
        numbered = sorted(
            (file for place in self.places for file in place.files()),
            reverse=True,
        )
        files = [str(path) for _, path in numbered]
        if self.last and self.last not in files:
            files.insert(0, self.last)
        return files

    def _last_checkpoint(self) -> str | None:
        """Return what ``last_checkpoint`` names, if this training wrote it."""
        try:
            named = Path(self.cfg.work_dir, 'last_checkpoint').read_text()
        except (OSError, ValueError):
            return None
        named = named.strip()
        for place in self.places:
            if '://' in place.folder:
                if named.startswith(f'{place.folder}/'):
                    return named
            elif os.path.realpath(os.path.dirname(named)) == os.path.realpath(
                place.folder
            ):
                return str(Path(place.folder, os.path.basename(named)))
        return None

    def _try(self, path: str) -> tuple[int, int] | None:
        """Return the progress of a file, or note why it is passed over."""
        try:
            progress, has_optimizer = _read_state(path, '--resume')
            if not has_optimizer:
                self.no_optimizer.add(path)
            return progress
        except (PermissionError, UnsafeCheckpointError):
            # Not damaged: the user has to decide.
            raise
        except (OSError, ValueError) as error:
            self.passed_over[path] = str(error)
        return None


def _read_state(path: str, key: str) -> tuple[tuple[int, int], bool]:
    """Read all of a checkpoint.

    Returns:
        Its iteration and epoch, and whether it has the optimizer's state.

    Raises:
        ValueError: It is not the state of a training.
    """
    checkpoint = read_checkpoint(path, key)
    parts = checkpoint if isinstance(checkpoint, dict) else {}
    absent = [name for name in _PARTS if name not in parts]
    try:
        progress = progress_of(parts)
    except (KeyError, TypeError, ValueError):
        progress = None
        if 'meta' in parts:
            absent.append("meta['iter'] and meta['epoch']")
    if absent:
        raise ValueError(
            f'{key}={path!r} is not the state of a training: it lacks '
            f'{", ".join(absent)}. Expected a checkpoint that training wrote '
            '(epoch_N.pth, iter_N.pth). To start a new training with its '
            f'weights: --student-ckpt {path} in a distillation, '
            f'--cfg-options load_from={path} otherwise'
        )
    return progress, 'optimizer' in parts


def _chosen(path: str, progress: tuple[int, int], has_optimizer: bool) -> Note:
    iteration, epoch = progress
    text = f'resumes from {path} (epoch {epoch}, iteration {iteration})'
    if has_optimizer:
        return logging.INFO, text
    return (
        logging.WARNING,
        f'{text}, which has no state of the optimizer (save_optimizer=False, '
        'or a best checkpoint): momenta start anew',
    )
