_base_ = [
    '../baselines/gfl-r50_1x_coco.py',
    '../_base_/teachers/gfl-r101_2x_coco.py',
    '../_base_/distillers/tat_fpn.py',
    '../_base_/distillation_hooks.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=_base_.teacher,
    teacher_ckpt=_base_.teacher_ckpt,
    distiller=_base_.distiller,
)
default_hooks = _base_.distillation_hooks
