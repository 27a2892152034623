_base_ = [
    '../baselines/segformer-b0_40k_voc12aug.py',
    '../_base_/teachers/segformer-b2_40k_voc12aug.py',
    '../_base_/distillers/tat_mit_voc12aug.py',
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
