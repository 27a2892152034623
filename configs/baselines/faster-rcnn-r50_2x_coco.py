_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '../_base_/datasets/coco.py',
    '../_base_/schedules/detection_2x.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=_base_.num_classes)))
