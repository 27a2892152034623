_base_ = [
    './baseline_segmentor.py',
    '../_base_/teachers/digits_segmentor.py',
    '../_base_/distillers/cankd_digits.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=_base_.teacher,
    teacher_ckpt=_base_.teacher_ckpt,
    teacher_channels_last=_base_.teacher_channels_last,
    dry_run_size=_base_.dry_run_size,
    distiller=_base_.distiller,
)
default_hooks = _base_.distillation_hooks
