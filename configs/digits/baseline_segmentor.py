_base_ = [
    '../_base_/models/fpn_digits.py',
    '../_base_/datasets/digits_segmentation.py',
    '../_base_/schedules/digits_epochs.py',
    '../_base_/digits_runtime.py',
]
