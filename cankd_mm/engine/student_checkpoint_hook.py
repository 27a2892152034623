"""Writes the student of every checkpoint as a checkpoint of its own."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from cankd_mm.utils.student_export import export_student, student_path


@HOOKS.register_module()
class StudentCheckpointHook(Hook):
    """Writes ``<name>_student.pth`` beside each checkpoint.

    The file is a plain mmdet or mmseg checkpoint: it loads into the plain
    student config and knows nothing of distillation. It follows the fate of
    its checkpoint: where ``CheckpointHook`` removes an old one
    (``max_keep_ckpts``), the student file that this run wrote for it goes
    too. Does nothing for models without a student, so it may stand in any
    config. Only local work directories are served.

    Examples:
        >>> custom_hooks = [dict(type='StudentCheckpointHook')]
    """

    # Behind CheckpointHook, which is VERY_LOW.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._has_news = False
        # Checkpoints with a student file of ours, and when they were saved.
        self._exported: dict[Path, int] = {}

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Notes that a checkpoint with a student is being written."""
        self._has_news = any(
            key.startswith('architecture.') for key in checkpoint['state_dict']
        )

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
        if not self._has_news:
            return
        self._has_news = False
        if not is_main_process():
            return
        for name, path in runner.message_hub.runtime_info.items():
            if name == 'last_ckpt' or name.startswith('best_ckpt'):
                self._export_one(path)
        for checkpoint in list(self._exported):
            if not checkpoint.exists():
                student_path(checkpoint).unlink(missing_ok=True)
                del self._exported[checkpoint]

    def _export_one(self, path: str | None) -> None:
        if not path or '://' in str(path) or not Path(path).is_file():
            return
        checkpoint = Path(path)
        saved = checkpoint.stat().st_mtime_ns
        if self._exported.get(checkpoint) == saved:
            return
        student = student_path(checkpoint)
        export_student(checkpoint, student)
        if checkpoint not in self._exported:
            print_log(f'The student alone is in {student}', logger='current')
        self._exported[checkpoint] = saved
