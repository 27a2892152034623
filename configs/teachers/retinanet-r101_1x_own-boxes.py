_base_ = [
    '../baselines/retinanet-r50_1x_own-boxes.py',
    '../_base_/models/resnet101.py',
]

model = dict(backbone=_base_.backbone)
