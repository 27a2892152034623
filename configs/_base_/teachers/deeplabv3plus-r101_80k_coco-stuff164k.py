teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/deeplabv3plus-r101_80k_coco-stuff164k.py'
)
teacher_ckpt = 'work_dirs/deeplabv3plus-r101_80k_coco-stuff164k/iter_80000.pth'
