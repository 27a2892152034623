teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/segformer-b2_40k_coco-stuff10k.py',
    num_classes=171,  # follows `classes`
)
teacher_ckpt = 'work_dirs/segformer-b2_40k_coco-stuff10k/iter_40000.pth'
