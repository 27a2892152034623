_base_ = [
    '../baselines/deeplabv3plus-mobilenetv2_40k_voc12aug.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/tat_deeplabv3plus.py',
]

# From the authors' alpha 0.1, beta 1, gamma 0.5 and batch B = 12:
# patch_weight = alpha * beta * B, anchor_weight = alpha * gamma * B.
distiller = _base_.distiller
distiller.distill_losses.loss_tat.update(
    student_channels=512,
    patch_size=(4, 4),
    patches_per_group=1,
    anchor_stride=(2, 2),
    patch_weight=1.2,
    anchor_weight=0.6,
)

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
