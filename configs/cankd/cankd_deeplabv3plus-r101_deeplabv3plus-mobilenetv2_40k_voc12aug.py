_base_ = [
    '../baselines/deeplabv3plus-mobilenetv2_40k_voc12aug.py',
    '../_base_/teachers/deeplabv3plus-r101_40k_voc12aug.py',
    '../_base_/distillers/cankd_segmentation_mobilenetv2.py',
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
