_base_ = [
    './baseline_segformer.py',
    '../_base_/teachers/digits_segmentor.py',
    '../_base_/distillers/cskd_segmentor.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = 11
distiller.distill_losses.loss_cskd.num_classes = 11

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
