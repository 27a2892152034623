_base_ = [
    '../_base_/models/upernet_swin-s.py',
    '../_base_/datasets/coco-stuff164k.py',
    '../_base_/schedules/segmentation_adamw_80k.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)
