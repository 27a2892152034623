teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/segformer-b2_40k_voc12aug.py',
    num_classes=21,  # follows `classes`
)
teacher_ckpt = 'work_dirs/segformer-b2_40k_voc12aug/iter_40000.pth'
