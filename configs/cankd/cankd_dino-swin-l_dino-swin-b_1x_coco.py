_base_ = [
    '../baselines/dino-swin-b_1x_coco.py',
    '../_base_/teachers/dino-swin-l_3x_coco.py',
    '../_base_/distillers/cankd_fpn.py',
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
