# COCO-Stuff 164k, crops of 512x512, 4 images a GPU: MMSegmentation's.
_base_ = 'mmseg::_base_/datasets/coco-stuff164k.py'

num_classes = 171
data_root = 'data/coco_stuff164k'
# Where a config says other names than these, all of it follows.
written_for = dict(data_root=data_root, num_classes=num_classes)

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
