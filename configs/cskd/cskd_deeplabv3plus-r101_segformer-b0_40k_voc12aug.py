_base_ = [
    '../baselines/segformer-b0_40k_voc12aug.py',
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
        cfg_path='mmseg::deeplabv3plus/deeplabv3plus_r101-d8_4xb4-40k_voc12aug-512x512.py'
    ),
    teacher_ckpt='https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3plus/deeplabv3plus_r101-d8_512x512_40k_voc12aug/deeplabv3plus_r101-d8_512x512_40k_voc12aug_20200613_205333-faf03387.pth',
    distiller=distiller,
)
