_base_ = [
    '../_base_/models/segmenter_vit-ti.py',
    '../_base_/datasets/coco-stuff164k.py',
    '../_base_/schedules/segmentation_80k.py',
]

data_preprocessor = dict(size=_base_.crop_size)
model = dict(
    data_preprocessor=data_preprocessor,
    decode_head=dict(num_classes=_base_.num_classes),
)
optim_wrapper = dict(optimizer=_base_.segmenter_optimizer)
