teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/upernet-swin-s_80k_coco-stuff164k.py',
    num_classes=171,  # follows `classes`
)
teacher_ckpt = 'work_dirs/upernet-swin-s_80k_coco-stuff164k/iter_80000.pth'
