teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/retinanet-r101_1x_voc0712.py',
    num_classes=20,  # follows `classes`
)
teacher_ckpt = 'work_dirs/retinanet-r101_1x_voc0712/epoch_4.pth'
