teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/retinanet-r101_1x_own-boxes.py',
    num_classes=80,  # follows `classes`
)
teacher_ckpt = 'work_dirs/retinanet-r101_1x_own-boxes/epoch_12.pth'
