_base_ = [
    '../_base_/models/retinanet-pvt_digits.py',
    '../_base_/datasets/digits_detection.py',
    '../_base_/schedules/digits_epochs.py',
    '../_base_/digits_runtime.py',
]
