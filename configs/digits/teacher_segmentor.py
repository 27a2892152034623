# Three times as wide as the student, and twice as long in training. Its weights
# lie beside this file; they come from
#   python tools/train.py configs/digits/teacher_segmentor.py
#   python tools/publish_checkpoint.py \
#       work_dirs/teacher_segmentor/epoch_8.pth \
#       configs/digits/teacher_segmentor.pth --half
_base_ = './baseline_segmentor.py'

base_channels = 24
max_epochs = 8
model = dict(
    backbone=dict(base_channels=base_channels, stem_channels=base_channels),
    neck=dict(
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels]
    ),
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
