teacher = dict(
    cfg_path='{{ fileDirname }}/../../teachers/segformer-b2_80k_coco-stuff164k.py'
)
teacher_ckpt = 'work_dirs/segformer-b2_80k_coco-stuff164k/iter_80000.pth'
