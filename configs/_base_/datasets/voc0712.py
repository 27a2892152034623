# Pascal VOC detection: trains on 2007 and 2012 (three times an epoch), tests on
# 2007, 2 images a GPU: MMDetection's.
_base_ = 'mmdet::_base_/datasets/voc0712.py'

num_classes = 20
data_root = 'data/VOCdevkit/'
# Where a config says other names than these, all of it follows.
written_for = dict(data_root=data_root, num_classes=num_classes)

train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            datasets=[
                dict(part, data_root=data_root)
                for part in _base_.train_dataloader.dataset.dataset.datasets
            ]
        )
    )
)
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
