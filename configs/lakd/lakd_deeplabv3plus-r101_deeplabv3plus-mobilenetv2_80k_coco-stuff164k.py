_base_ = [
    '../baselines/deeplabv3plus-mobilenetv2_80k_coco-stuff164k.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/lakd_segmentation.py',
]

# The last modules of strides 4, 8 and 16 (8 where dilated), and of all.
truncations = [
    dict(module='backbone.layer3', on='input'),
    dict(module='backbone.layer4', on='input'),
    dict(module='backbone.layer6', on='input'),
]
distiller = _base_.distiller
distiller.student_recorders.stage1.source = 'backbone.layer2'
distiller.student_recorders.stage2.source = 'backbone.layer3'
distiller.student_recorders.stage3.source = 'backbone.layer5'
distiller.student_recorders.stage4.source = 'backbone.layer7'
distiller.distill_losses.loss_lakd_1.student_channels = 24
distiller.distill_losses.loss_lakd_2.student_channels = 32
distiller.distill_losses.loss_lakd_3.student_channels = 96
distiller.distill_losses.loss_lakd_4.student_channels = 320

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/deeplabv3plus-r101_80k_coco-stuff164k.py'
    ),
    teacher_ckpt='work_dirs/deeplabv3plus-r101_80k_coco-stuff164k/iter_80000.pth',
    truncations=truncations,
    distiller=distiller,
)
