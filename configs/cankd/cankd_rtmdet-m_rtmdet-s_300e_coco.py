_base_ = [
    '../baselines/rtmdet-s_300e_coco.py',
    '../_base_/teachers/rtmdet-m_300e_coco.py',
    '../_base_/distillers/cankd_rtmdet.py',
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
