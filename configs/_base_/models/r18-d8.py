# What makes a segmentor of a ResNet-50 one of a ResNet-18. Head widths as in
# MMSegmentation's Cityscapes configs.
r18 = dict(
    pretrained='open-mmlab://resnet18_v1c',
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64),
)
