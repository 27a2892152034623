_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/coco-stuff164k.py',
    '../_base_/schedules/segmentation_adamw_80k.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0)))
)
