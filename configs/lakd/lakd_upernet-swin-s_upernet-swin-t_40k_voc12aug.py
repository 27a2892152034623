_base_ = [
    '../baselines/upernet-swin-t_40k_voc12aug.py',
    '../_base_/teachers/upernet-swin-s_40k_voc12aug.py',
    '../_base_/distillers/lakd_swin.py',
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
