_base_ = ['./baseline_retinanet.py', '../_base_/distillers/lakd_digits.py']

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='{{ fileDirname }}/teacher_retinanet.py'),
    teacher_ckpt='{{ fileDirname }}/teacher_retinanet.pth',
    teacher_channels_last=True,
    dry_run_size=(96, 96),
    truncations=_base_.truncations,
    distiller=_base_.distiller,
)
