_base_ = [
    '../baselines/segformer-b0_80k_coco-stuff164k.py',
    '../_base_/teachers/segformer-b2_80k_coco-stuff164k.py',
    '../_base_/distillers/lakd_mit.py',
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
