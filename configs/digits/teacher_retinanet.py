# Six times as wide as the student, one more convolution in the head, and
# twice as long in training. Its weights lie beside this file; they come from
#   python tools/train.py configs/digits/teacher_retinanet.py
#   python tools/publish_checkpoint.py \
#       work_dirs/teacher_retinanet/epoch_8.pth \
#       configs/digits/teacher_retinanet.pth --half
_base_ = './baseline_retinanet.py'

base_channels = 48
max_epochs = 8
model = dict(
    backbone=dict(base_channels=base_channels, stem_channels=base_channels),
    neck=dict(
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels]
    ),
    bbox_head=dict(stacked_convs=2),
)
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        T_max=max_epochs,
        eta_min=0,
        convert_to_iter_based=True,
    ),
]
