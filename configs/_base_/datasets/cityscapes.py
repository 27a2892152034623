# Cityscapes, crops of 512x1024, 2 images a GPU: MMSegmentation's.
_base_ = 'mmseg::_base_/datasets/cityscapes.py'

num_classes = 19
data_root = 'data/cityscapes/'
# Where a config says other names than these, all of it follows.
written_for = dict(data_root=data_root, num_classes=num_classes)

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
