teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/dino-r101_1x_coco.py',
    num_classes=80,  # follows `classes`
)
teacher_ckpt = 'work_dirs/dino-r101_1x_coco/epoch_12.pth'
