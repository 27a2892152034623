_base_ = [
    '../baselines/faster-rcnn-r50_1x_voc0712.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/lakd_detection.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/faster-rcnn-r101_1x_voc0712.py'
    ),
    teacher_ckpt='work_dirs/faster-rcnn-r101_1x_voc0712/epoch_4.pth',
    truncations=_base_.truncations,
    distiller=_base_.distiller,
)
