_base_ = [
    '../baselines/gfl-r50_1x_coco.py',
    '../_base_/teachers/gfl-r101_2x_coco.py',
    '../_base_/distillers/lakd_detection.py',
    '../_base_/distillation_hooks.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=_base_.teacher,
    teacher_ckpt=_base_.teacher_ckpt,
    truncations=_base_.truncations,
    distiller=_base_.distiller,
)
default_hooks = _base_.distillation_hooks
