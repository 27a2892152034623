_base_ = [
    './baseline_segmentor.py',
    '../_base_/teachers/digits_segmentor.py',
    '../_base_/distillers/lakd_digits.py',
]

distiller = _base_.distiller
distiller.distill_losses.loss_lakd_1.teacher_channels = 24
distiller.distill_losses.loss_lakd_2.teacher_channels = 48
distiller.distill_losses.loss_lakd_3.teacher_channels = 96

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=_base_.teacher,
    teacher_ckpt=_base_.teacher_ckpt,
    teacher_channels_last=_base_.teacher_channels_last,
    dry_run_size=_base_.dry_run_size,
    truncations=_base_.truncations,
    distiller=distiller,
)
default_hooks = _base_.distillation_hooks
