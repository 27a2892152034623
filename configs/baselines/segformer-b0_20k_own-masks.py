_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/own-masks.py',
    '../_base_/schedules/segmentation_adamw_20k_own.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
)
