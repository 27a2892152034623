"""Writes the student of every checkpoint as a checkpoint of its own."""

import contextlib
import logging
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from cankd_mm.checkpoint.checkpoint_names import is_checkpoint_name
from cankd_mm.checkpoint.interrupted_save import (
    replaced_names,
    resumed_checkpoint,
)
from cankd_mm.utils.distillation_config import is_distillation
from cankd_mm.utils.model_wrapper import unwrapped_model
from cankd_mm.utils.student_export import (
    export_student,
    student_config_text,
    student_path,
)


@HOOKS.register_module()
class StudentCheckpointHook(Hook):
    """Writes ``<name>_student.pth`` beside each checkpoint.

    The file is a plain mmdet or mmseg checkpoint: it loads into the plain
    student config, which is in its ``meta['cfg']``, and knows nothing of
    distillation. It follows the fate of
    its checkpoint: where ``CheckpointHook`` removes an old one
    (``max_keep_ckpts``), its student file goes too, also one of an earlier
    run that this one resumes. A student that cannot be written (the disk is
    full) is an error in the log and no reason to stop. Does nothing for
    models without a student, so it may stand in any config. Only local work
    directories are served.

    Examples:
        >>> custom_hooks = [dict(type='StudentCheckpointHook')]
    """

    # After CheckpointHook, which is VERY_LOW.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._is_saved = False
        self._config_text: str | None = None
        # Checkpoints that may have a student file, and when they were saved
        # as the file has them.
        self._exported: dict[Path, int | None] = {}

    def before_train(self, runner) -> None:
        """Find the student files of the run that this one resumes."""
        if not is_main_process():
            return
        if is_distillation(runner.cfg):
            self._config_text = student_config_text(runner.cfg)
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                self._take_over(hook, runner)

    def _take_over(self, hook: CheckpointHook, runner) -> None:
        last = resumed_checkpoint(hook, runner)
        if last is None:
            return
        for checkpoint in last.parent.iterdir():
            is_own = is_checkpoint_name(checkpoint.name, hook.filename_tmpl)
            if is_own and student_path(checkpoint).is_file():
                self._exported[checkpoint] = None
        # The run was stopped before it removed a student, or before it wrote
        # one.
        for name in replaced_names(hook, runner):
            self._exported[last.with_name(name)] = None
        self._remove_orphans()
        if _has_student(runner):
            for checkpoint in _current_checkpoints(runner):
                is_own = checkpoint.resolve().parent == last.parent.resolve()
                if is_own and not student_path(checkpoint).exists():
                    self._try_to_export(checkpoint)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Notes that a checkpoint with a student is being written."""
        self._is_saved = _has_student(runner)

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        """Serves checkpoints by iteration."""
        self._export(runner)

    def after_train_epoch(self, runner) -> None:
        """Serves checkpoints by epoch."""
        self._export(runner)

    def after_val_epoch(self, runner, metrics=None) -> None:
        """Serves the best checkpoints."""
        self._export(runner)

    def _export(self, runner) -> None:
        if not self._is_saved:
            return
        self._is_saved = False
        if not is_main_process():
            return
        for checkpoint in _current_checkpoints(runner):
            self._try_to_export(checkpoint)
        self._remove_orphans()

    def _try_to_export(self, checkpoint: Path) -> None:
        student = student_path(checkpoint)
        try:
            saved = checkpoint.stat().st_mtime_ns
            if self._exported.get(checkpoint) == saved:
                return
            export_student(checkpoint, student, self._config_text)
        except Exception as error:
            # Training is worth more than this copy.
            print_log(
                f'The student of {checkpoint} was not written: {error}. '
                'Training goes on. tools/export_student.py gets it out of the '
                'checkpoint later.',
                logger='current',
                level=logging.ERROR,
            )
            return
        if checkpoint not in self._exported:
            print_log(f'The student is in {student}', logger='current')
        self._exported[checkpoint] = saved

    def _remove_orphans(self) -> None:
        """Remove the student files whose checkpoints are gone."""
        for checkpoint in list(self._exported):
            if not checkpoint.exists():
                # It stays where it cannot be removed.
                with contextlib.suppress(OSError):
                    student_path(checkpoint).unlink(missing_ok=True)
                del self._exported[checkpoint]


def _has_student(runner) -> bool:
    """Whether a distilled student, or one of MMRazor's, is trained."""
    return hasattr(unwrapped_model(runner.model), 'architecture')


def _current_checkpoints(runner) -> list[Path]:
    """The last checkpoint and the best ones, where these are local files."""
    paths = [
        path
        for name, path in runner.message_hub.runtime_info.items()
        if name.startswith(('last_ckpt', 'best_ckpt')) and path
    ]
    return [Path(path) for path in paths if Path(path).is_file()]
