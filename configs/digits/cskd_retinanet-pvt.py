_base_ = [
    './baseline_retinanet-pvt.py',
    '../_base_/distillers/cskd_detector.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = 10
distiller.distill_losses.loss_cskd.num_classes = 10

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
