"""Validates a teacher as it is, and the student under its own names.

What breaks: MMRazor's ``SingleTeacherDistillValLoop`` gives the teacher the
student's data preprocessor, so that a teacher with another normalization has
an accuracy near 0, and it runs a teacher in a half format on float32 images,
which is an error. Where the student's evaluation is empty (a detector that
detects nothing yet), ``save_best='auto'`` takes the first metric that there
is, which is the teacher's and never changes.

Upstream: "TODO: remove hard code after mmcls add data_preprocessor" in the
loop itself.
Probe: whether the loop replaces the teacher's preprocessor.
Applied when ``mmrazor.engine.runner.distill_val_loop`` has been imported.
Delete when a release of MMRazor leaves the teacher's preprocessor alone.
"""

import sys
from collections.abc import Sequence
from types import SimpleNamespace

_MODULE = 'mmrazor.engine.runner.distill_val_loop'


def needed() -> bool:
    """Whether MMRazor's loop replaces the teacher's preprocessor."""
    from mmengine.evaluator import Evaluator

    Loop = sys.modules[_MODULE].SingleTeacherDistillValLoop
    teacher = SimpleNamespace(data_preprocessor='teacher', val_step=None)
    model = SimpleNamespace(data_preprocessor='student', teacher=teacher)
    Loop(
        SimpleNamespace(
            distributed=False, model=model, visualizer=SimpleNamespace()
        ),
        SimpleNamespace(dataset=SimpleNamespace(metainfo=None)),
        Evaluator([]),
    )
    return teacher.data_preprocessor == 'student'


def apply() -> None:
    """Replace the methods of MMRazor's loop, also for its subclasses."""
    Loop = sys.modules[_MODULE].SingleTeacherDistillValLoop
    Loop.__init__ = _init
    Loop.run = _run
    Loop.run_iter_teacher = _run_iter_teacher


def _init(self, runner, dataloader, evaluator, fp16: bool = False) -> None:
    """Build the loop; see :class:`mmengine.runner.ValLoop`.

    Raises:
        ValueError: The model has no teacher.
    """
    from mmengine.model import is_model_wrapper
    from mmengine.runner import ValLoop

    ValLoop.__init__(self, runner, dataloader, evaluator, fp16)
    model = runner.model
    if is_model_wrapper(model):
        model = model.module
    if not hasattr(model, 'teacher'):
        raise ValueError(
            'val_cfg.type=SingleTeacherDistillValLoop validates a teacher, '
            f'and a {type(model).__name__} has none. Set val_cfg.type='
            "'ValLoop'"
        )
    self.teacher = model.teacher
    # MMRazor's algorithms hold a teacher as a module, which runs as it is.
    frozen = getattr(model, '_teacher', None)
    self._teacher_val_step = getattr(frozen, 'val_step', None)
    if self._teacher_val_step is None:
        self._teacher_val_step = self.teacher.val_step
        if _has_no_normalization(self.teacher):
            self.teacher.data_preprocessor = model.data_preprocessor


def _has_no_normalization(model) -> bool:
    """Whether a model was built without a preprocessor of its own."""
    from mmengine.model import BaseDataPreprocessor

    return type(model.data_preprocessor) is BaseDataPreprocessor


def _run(self) -> dict:
    """Validate the student, then the teacher.

    Hooks get the student's metrics under their own names and the teacher's
    as ``teacher.*``. Without metrics of the student they get none, as in a
    run without a teacher; the teacher's are then only logged.

    Returns:
        The metrics of both.
    """
    runner, size = self.runner, len(self.dataloader.dataset)
    runner.call_hook('before_val')
    runner.call_hook('before_val_epoch')
    runner.model.eval()
    for index, batch in enumerate(self.dataloader):
        self.run_iter(index, batch)
    metrics = self.evaluator.evaluate(size)

    # One epoch for hooks: an EMA swaps weights before and after it.
    for index, batch in enumerate(self.dataloader):
        self.run_iter_teacher(index, batch)
    teacher_metrics = {
        f'teacher.{name}': value
        for name, value in self.evaluator.evaluate(size).items()
    }
    if metrics:
        metrics.update(teacher_metrics)
    else:
        for name, value in teacher_metrics.items():
            runner.message_hub.update_scalar(f'val/{name}', value)
    runner.call_hook('after_val_epoch', metrics=metrics)
    runner.call_hook('after_val')
    return {**metrics, **teacher_metrics}


def _run_iter_teacher(self, idx: int, data_batch: Sequence[dict]) -> None:
    """Validate the teacher on one batch."""
    import torch
    from mmengine.runner import autocast

    runner = self.runner
    runner.call_hook('before_val_iter', batch_idx=idx, data_batch=data_batch)
    with torch.no_grad(), autocast(enabled=self.fp16):
        outputs = self._teacher_val_step(data_batch)
    self.evaluator.process(data_samples=outputs, data_batch=data_batch)
    runner.call_hook(
        'after_val_iter',
        batch_idx=idx,
        data_batch=data_batch,
        outputs=outputs,
    )
