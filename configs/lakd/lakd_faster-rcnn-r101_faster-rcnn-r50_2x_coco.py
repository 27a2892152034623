_base_ = [
    '../baselines/faster-rcnn-r50_2x_coco.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/lakd_detection.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py'
    ),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r101_fpn_2x_coco/faster_rcnn_r101_fpn_2x_coco_bbox_mAP-0.398_20200504_210455-1d2dac9c.pth',
    truncations=_base_.truncations,
    distiller=_base_.distiller,
)
