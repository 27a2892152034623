_base_ = [
    '../baselines/faster-rcnn-r50_1x_voc0712.py',
    '../_base_/models/resnet101.py',
]

model = dict(backbone=_base_.backbone)
