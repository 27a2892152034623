# COCO-Stuff 10k, crops of 512x512, 4 images a GPU: MMSegmentation's.
_base_ = 'mmseg::_base_/datasets/coco-stuff10k.py'

num_classes = 171
data_root = 'data/coco_stuff10k'

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
