teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/upernet-swin-s_40k_voc12aug.py',
    num_classes=21,  # follows `classes`
)
teacher_ckpt = 'work_dirs/upernet-swin-s_40k_voc12aug/iter_40000.pth'
