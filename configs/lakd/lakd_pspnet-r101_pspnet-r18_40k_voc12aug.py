_base_ = [
    '../baselines/pspnet-r18_40k_voc12aug.py',
    '../_base_/teachers/pspnet-r101_40k_voc12aug.py',
    '../_base_/distillers/lakd_segmentation.py',
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
