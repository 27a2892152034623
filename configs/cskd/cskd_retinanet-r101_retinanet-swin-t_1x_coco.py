_base_ = [
    '../baselines/retinanet-swin-t_1x_coco.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/cskd_detector.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = _base_.num_classes
distiller.distill_losses.loss_cskd.num_classes = _base_.num_classes

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(cfg_path='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py'),
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth',
    distiller=distiller,
)
