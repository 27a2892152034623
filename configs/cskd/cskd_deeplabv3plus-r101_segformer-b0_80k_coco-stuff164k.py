_base_ = [
    '../baselines/segformer-b0_80k_coco-stuff164k.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/cskd_segmentor.py',
]

distiller = _base_.distiller
distiller.connectors.classify.num_classes = _base_.num_classes
distiller.distill_losses.loss_cskd.num_classes = _base_.num_classes

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/deeplabv3plus-r101_80k_coco-stuff164k.py'
    ),
    teacher_ckpt='work_dirs/deeplabv3plus-r101_80k_coco-stuff164k/iter_80000.pth',
    distiller=distiller,
)
