_base_ = [
    '../baselines/retinanet-r50_1x_voc0712.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/tat_fpn.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/retinanet-r101_1x_voc0712.py'
    ),
    teacher_ckpt='work_dirs/retinanet-r101_1x_voc0712/epoch_4.pth',
    distiller=_base_.distiller,
)
