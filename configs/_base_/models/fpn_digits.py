# Semantic FPN for 96x96 images.
_base_ = './segmentor_digits.py'

model = dict(
    backbone=_base_.resnet,
    neck=_base_.fpn,
    decode_head=dict(
        type='FPNHead',
        in_channels=[_base_.neck_channels] * 3,
        feature_strides=[4, 8, 16],
        channels=_base_.neck_channels,
    ),
)
