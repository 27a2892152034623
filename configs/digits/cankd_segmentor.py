_base_ = ['./baseline_segmentor.py', '../_base_/distillers/cankd_fpn.py']

distiller = _base_.distiller
distiller.distill_losses.loss_cankd.update(in_channels=48, num_levels=3)

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/teacher_segmentor.py'),
    teacher_ckpt='{{ fileDirname }}/teacher_segmentor.pth',
    teacher_channels_last=True,
    dry_run_size=(96, 96),
    distiller=distiller,
)
