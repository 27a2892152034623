_base_ = './baseline_retinanet.py'

base_channels = 48
model = dict(
    backbone=dict(base_channels=base_channels, stem_channels=base_channels),
    neck=dict(
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels]
    ),
    bbox_head=dict(stacked_convs=2),
)
