# COCO 2017 detection, 2 images a GPU: MMDetection's.
_base_ = 'mmdet::_base_/datasets/coco_detection.py'

num_classes = 80
data_root = 'data/coco/'
# Where a config says other names than these, all of it follows.
written_for = dict(data_root=data_root, num_classes=num_classes)

train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = val_evaluator
