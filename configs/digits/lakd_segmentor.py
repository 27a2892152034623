_base_ = ['./baseline_segmentor.py', '../_base_/distillers/lakd_digits.py']

distiller = _base_.distiller
distiller.distill_losses.loss_lakd_1.teacher_channels = 24
distiller.distill_losses.loss_lakd_2.teacher_channels = 48
distiller.distill_losses.loss_lakd_3.teacher_channels = 96

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/teacher_segmentor.py'),
    teacher_ckpt='{{ fileDirname }}/teacher_segmentor.pth',
    teacher_channels_last=True,
    dry_run_size=(96, 96),
    truncations=_base_.truncations,
    distiller=distiller,
)
