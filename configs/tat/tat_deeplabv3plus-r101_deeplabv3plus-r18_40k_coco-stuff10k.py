_base_ = [
    '../baselines/deeplabv3plus-r18_40k_coco-stuff10k.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/tat_deeplabv3plus.py',
]

# From the authors' alpha 0.6, beta 1, gamma 1 and batch B = 16:
# patch_weight = alpha * beta * B, anchor_weight = alpha * gamma * B.
distiller = _base_.distiller
distiller.distill_losses.loss_tat.update(
    student_channels=128,
    patch_size=(4, 4),
    patches_per_group=2,
    anchor_stride=(4, 4),
    patch_weight=9.6,
    anchor_weight=9.6,
)

model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/deeplabv3plus-r101_40k_coco-stuff10k.py'
    ),
    teacher_ckpt='work_dirs/deeplabv3plus-r101_40k_coco-stuff10k/iter_40000.pth',
    distiller=distiller,
)
