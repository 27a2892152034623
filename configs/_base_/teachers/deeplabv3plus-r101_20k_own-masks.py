teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/deeplabv3plus-r101_20k_own-masks.py',
    num_classes=21,  # follows `classes`
)
teacher_ckpt = 'work_dirs/deeplabv3plus-r101_20k_own-masks/iter_20000.pth'
