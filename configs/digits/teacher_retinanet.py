# Six times as wide as the student, one more convolution in the head, and
# twice as long in training. Its weights lie beside this file; they come from
#   python tools/train.py configs/digits/teacher_retinanet.py
#   python tools/publish_checkpoint.py \
#       work_dirs/teacher_retinanet/epoch_8.pth \
#       configs/digits/teacher_retinanet.pth --half
_base_ = [
    '../_base_/models/retinanet_digits.py',
    '../_base_/datasets/digits_detection.py',
    '../_base_/schedules/digits_epochs_long.py',
    '../_base_/digits_runtime.py',
]

base_channels = 48
model = dict(
    backbone=dict(base_channels=base_channels, stem_channels=base_channels),
    neck=dict(
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels]
    ),
    bbox_head=dict(stacked_convs=2),
)
