_base_ = ['./baseline_segformer.py', '../_base_/distillers/cskd_segmentor.py']

distiller = _base_.distiller
distiller.connectors.classify.num_classes = 11
distiller.distill_losses.loss_cskd.num_classes = 11

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
