_base_ = [
    '../baselines/deeplabv3plus-r18_80k_coco-stuff164k.py',
    '../_base_/teachers/deeplabv3plus-r101_80k_coco-stuff164k.py',
    '../_base_/distillers/tat_deeplabv3plus_r18_coco-stuff.py',
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
