teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/segformer-b2_80k_coco-stuff164k.py',
    num_classes=171,  # follows `classes`
)
teacher_ckpt = 'work_dirs/segformer-b2_80k_coco-stuff164k/iter_80000.pth'
