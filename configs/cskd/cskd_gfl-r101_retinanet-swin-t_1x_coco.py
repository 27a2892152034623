_base_ = [
    '../baselines/retinanet-swin-t_1x_coco.py',
    '../_base_/teachers/gfl-r101_2x_coco.py',
    '../_base_/distillers/cskd_detector_gfl.py',
    '../_base_/distillation_hooks.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = _base_.num_classes
distiller.distill_losses.loss_cskd.num_classes = _base_.num_classes

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=_base_.teacher,
    teacher_ckpt=_base_.teacher_ckpt,
    distiller=distiller,
)
default_hooks = _base_.distillation_hooks
