_base_ = ['./baseline_retinanet.py', '../_base_/distillers/tat_fpn.py']

distiller = _base_.distiller
distiller.distill_losses.loss_tat.update(
    student_channels=48,
    teacher_channels=48,
    num_levels=3,
    patch_size=[(4, 4), (3, 3), (3, 3)],
)

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/teacher_retinanet.py'),
    teacher_ckpt='{{ fileDirname }}/teacher_retinanet.pth',
    teacher_channels_last=True,
    dry_run_size=(96, 96),
    distiller=distiller,
)
