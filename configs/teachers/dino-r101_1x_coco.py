_base_ = [
    '../baselines/dino-r50_1x_coco.py',
    '../_base_/models/resnet101.py',
]

model = dict(backbone=_base_.backbone)
