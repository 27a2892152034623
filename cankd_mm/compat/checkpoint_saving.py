"""Saves checkpoints so that a stopped run always has one to resume from.

What breaks: mmengine writes a checkpoint in place, and before that removes
the one it replaces (``max_keep_ckpts``, ``save_best``). A run that is killed
meanwhile, or whose disk is full, is left with half a file, with
``max_keep_ckpts=1`` with nothing else, and ``last_checkpoint`` names a file
that is gone.

Here:

- what mmengine's ``save_checkpoint`` writes to a local disk, and
  ``last_checkpoint``, appears whole or not at all
  (:mod:`cankd_mm.checkpoint.whole_file`);
- files are removed once everything that replaces them is on the disk. A
  checkpoint notes which ones these are, so that a resumed run removes what a
  killed one left (:mod:`cankd_mm.checkpoint.pending_removal`);
- a best checkpoint that was saved right before a run was killed is adopted by
  the run that resumes from the checkpoint of the same iteration.

Upstream: no issue that we know of; the removal comes first so that a
checkpoint holds the ``keep_ckpt_ids`` as they will be
(https://github.com/open-mmlab/mmengine/pull/1168).

Probe: whether a checkpoint hook removes a file before it saves one.

Delete when: mmengine writes under a temporary name, renames, then removes.
"""

import builtins
import contextlib
import functools
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cankd_mm.checkpoint.interrupted_save import finish_interrupted_save
from cankd_mm.checkpoint.pending_removal import note_pending
from cankd_mm.checkpoint.whole_file import whole_file, write_text_whole


def needed() -> bool:
    """Whether mmengine removes a checkpoint before it saves the next."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.hooks import CheckpointHook

    done = []

    class Saved(Exception):
        pass

    def save_checkpoint(*args, **kwargs):
        done.append('save')
        raise Saved

    hook = CheckpointHook(max_keep_ckpts=1)
    hook.out_dir, hook.file_client = 'out', None
    hook.keep_ckpt_ids = deque([1], 1)
    hook.file_backend = SimpleNamespace(
        join_path=lambda *parts: '/'.join(parts),
        isfile=lambda path: True,
        remove=lambda path: done.append('remove'),
    )
    runner = SimpleNamespace(
        message_hub=SimpleNamespace(update_info=lambda *args: None),
        save_checkpoint=save_checkpoint,
    )
    with contextlib.suppress(Saved):
        hook._save_checkpoint_with_step(runner, 2, meta={})
    return done[:1] == ['remove']


def apply() -> None:
    """Makes files appear whole, and removes the ones they replace last."""
    from mmengine import runner
    from mmengine.fileio import LocalBackend
    from mmengine.hooks import CheckpointHook, checkpoint_hook
    from mmengine.runner import checkpoint
    from mmengine.runner import runner as runner_module

    LocalBackend.put = _whole_in_a_save(LocalBackend.put)
    save_checkpoint = _saving(checkpoint.save_checkpoint)
    for module in (checkpoint, runner, runner_module):
        module.save_checkpoint = save_checkpoint
    # `last_checkpoint` is the one file that the hook opens itself.
    checkpoint_hook.open = _open_whole
    for name in ('_save_checkpoint_with_step', '_save_best_checkpoint'):
        setattr(
            CheckpointHook, name, _removing_last(getattr(CheckpointHook, name))
        )
    CheckpointHook.before_train = _finishing(CheckpointHook.before_train)


# Writing


_is_saving = ContextVar('is_saving', default=False)


def _saving(save_checkpoint: Callable) -> Callable:
    """Wrap mmengine's function, whose files are to be whole."""

    @functools.wraps(save_checkpoint)
    def save(*args, **kwargs):
        token = _is_saving.set(True)
        try:
            return save_checkpoint(*args, **kwargs)
        finally:
            _is_saving.reset(token)

    return save


def _whole_in_a_save(put: Callable) -> Callable:
    """Wrap the local backend, which writes pictures and predictions, too."""

    @functools.wraps(put)
    def put_whole(self, obj: bytes, filepath: str | Path) -> None:
        if not _is_saving.get():
            return put(self, obj, filepath)
        with whole_file(filepath) as file:
            file.write(obj)

    return put_whole


def _open_whole(file, mode: str = 'r', *args, **kwargs):
    """Open like the builtin, but a file to write appears whole."""
    if mode == 'w':
        return _whole_text(file)
    return builtins.open(file, mode, *args, **kwargs)


@contextlib.contextmanager
def _whole_text(path: str) -> Iterator[SimpleNamespace]:
    parts: list[str] = []
    yield SimpleNamespace(write=parts.append)
    write_text_whole(''.join(parts), path)


# Removing


class _RemovingLast:
    """A file backend that keeps removals for later.

    Args:
        backend: The backend that does everything else, and in the end that.
        note: Called with the list of kept paths whenever it changes.
    """

    def __init__(self, backend, note: Callable[[list[str]], None]) -> None:
        self.backend = backend
        self._note = note
        self._kept: list[tuple[Callable[[str], None], str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, filepath: str) -> None:
        """Remove a file, later."""
        self._keep(self.backend.remove, filepath)

    def rmtree(self, dir_path: str) -> None:
        """Remove a folder, later."""
        self._keep(self.backend.rmtree, dir_path)

    def _keep(self, remove: Callable[[str], None], path: str) -> None:
        self._kept.append((remove, path))
        self._note([str(path) for _, path in self._kept])

    def carry_out(self, written: set[str]) -> None:
        """Remove what was to be removed, unless it was written anew."""
        for remove, path in self._kept:
            if str(path) not in written:
                # A user may have been quicker.
                with contextlib.suppress(FileNotFoundError):
                    remove(path)
        self._kept.clear()
        self._note([])


def _removing_last(save: Callable) -> Callable:
    """Wrap a method of the hook that removes files and saves others."""

    @functools.wraps(save)
    def save_and_remove(self, runner, *args, **kwargs):
        if isinstance(self.file_backend, _RemovingLast):
            # Called by the other method, which removes in the end.
            return save(self, runner, *args, **kwargs)

        note = functools.partial(note_pending, runner.message_hub)
        note([])
        backend = _RemovingLast(self.file_backend, note)
        self.file_backend = backend
        try:
            result = save(self, runner, *args, **kwargs)
        finally:
            self.file_backend = backend.backend
        backend.carry_out({str(self.last_ckpt), *_best_paths(self)})
        return result

    return save_and_remove


def _best_paths(hook) -> set[str]:
    several = getattr(hook, 'best_ckpt_path_dict', {})
    return {str(getattr(hook, 'best_ckpt_path', None)), *several.values()}


# Resuming


def _finishing(before_train: Callable) -> Callable:
    """Wrap the hook's start: finish what a stopped run left undone."""

    @functools.wraps(before_train)
    def finish(self, runner) -> None:
        before_train(self, runner)
        finish_interrupted_save(self, runner)

    return finish
