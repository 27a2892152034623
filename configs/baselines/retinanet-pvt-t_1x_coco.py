_base_ = [
    '../_base_/models/retinanet_pvt-t_fpn.py',
    '../_base_/datasets/coco.py',
    '../_base_/schedules/detection_1x.py',
]

model = dict(bbox_head=dict(num_classes=_base_.num_classes))
optim_wrapper = dict(optimizer=dict(_delete_=True, **_base_.optimizer))
