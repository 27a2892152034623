_base_ = [
    '../_base_/models/retinanet_swin-t_fpn.py',
    '../_base_/datasets/own-boxes.py',
    '../_base_/schedules/detection_1x_own.py',
]

model = dict(bbox_head=dict(num_classes=_base_.num_classes))
