_base_ = [
    '../baselines/retinanet-pvt-t_1x_voc0712.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/cskd_detector.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = _base_.num_classes
distiller.distill_losses.loss_cskd.num_classes = _base_.num_classes

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/retinanet-r101_1x_voc0712.py'
    ),
    teacher_ckpt='work_dirs/retinanet-r101_1x_voc0712/epoch_4.pth',
    distiller=distiller,
)
