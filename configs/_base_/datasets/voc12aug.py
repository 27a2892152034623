# Pascal VOC 2012 with the augmented training masks, crops of 512x512, 4 images
# a GPU: MMSegmentation's.
_base_ = 'mmseg::_base_/datasets/pascal_voc12_aug.py'

num_classes = 21
data_root = 'data/VOCdevkit/VOC2012'
# Where a config says other names than these, all of it follows.
written_for = dict(data_root=data_root, num_classes=num_classes)

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(part, data_root=data_root)
            for part in _base_.train_dataloader.dataset.datasets
        ]
    )
)
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
