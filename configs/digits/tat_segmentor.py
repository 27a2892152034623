_base_ = [
    './baseline_segmentor.py',
    '../_base_/teachers/digits_segmentor.py',
    '../_base_/distillers/tat_digits.py',
]

# scale=None is 1/sqrt(d), for attention that is not one-hot from the start.
distiller = _base_.distiller
distiller.distill_losses.loss_tat.update(
    patch_size=[(8, 8), (4, 4), (3, 3)],
    anchor_stride=[(4, 4), (2, 2), (1, 1)],
    scale=None,
    loss_weight=1.0,
)

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=_base_.teacher,
    teacher_ckpt=_base_.teacher_ckpt,
    teacher_channels_last=_base_.teacher_channels_last,
    dry_run_size=_base_.dry_run_size,
    distiller=distiller,
)
default_hooks = _base_.distillation_hooks
