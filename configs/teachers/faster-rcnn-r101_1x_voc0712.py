_base_ = [
    '../_base_/models/faster-rcnn_r101_fpn.py',
    '../_base_/datasets/voc0712.py',
    '../_base_/schedules/detection_1x_voc0712.py',
]

model = dict(roi_head=dict(bbox_head=dict(num_classes=_base_.num_classes)))
