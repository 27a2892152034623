_base_ = [
    '../baselines/retinanet-r18_1x_voc0712.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/lakd_detection.py',
]

distiller = _base_.distiller
distiller.distill_losses.loss_lakd_2.student_channels = 128
distiller.distill_losses.loss_lakd_3.student_channels = 256
distiller.distill_losses.loss_lakd_4.student_channels = 512

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/retinanet-r101_1x_voc0712.py'
    ),
    teacher_ckpt='work_dirs/retinanet-r101_1x_voc0712/epoch_4.pth',
    truncations=_base_.truncations,
    distiller=distiller,
)
