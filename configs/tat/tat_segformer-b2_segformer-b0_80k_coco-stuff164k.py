_base_ = [
    '../baselines/segformer-b0_80k_coco-stuff164k.py',
    '../_base_/teachers/segformer-b2_80k_coco-stuff164k.py',
    '../_base_/distillers/tat_mit_coco-stuff.py',
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
