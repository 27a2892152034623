_base_ = [
    './baseline_retinanet-pvt.py',
    '../_base_/teachers/digits_retinanet.py',
    '../_base_/distillers/cskd_detector.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = 10
distiller.distill_losses.loss_cskd.num_classes = 10

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
