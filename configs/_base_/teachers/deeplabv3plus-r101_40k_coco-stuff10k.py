teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/deeplabv3plus-r101_40k_coco-stuff10k.py',
    num_classes=171,  # follows `classes`
)
teacher_ckpt = 'work_dirs/deeplabv3plus-r101_40k_coco-stuff10k/iter_40000.pth'
