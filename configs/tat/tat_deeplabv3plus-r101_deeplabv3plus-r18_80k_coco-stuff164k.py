_base_ = [
    '../baselines/deeplabv3plus-r18_80k_coco-stuff164k.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/tat_deeplabv3plus.py',
]

# Those of COCO-Stuff 10k; nothing is published for 164k. The authors' alpha is
# 0.6, beta = gamma = 1 and B = 16: both weights are alpha * B.
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
        cfg_path='{{ fileDirname }}/../teachers/deeplabv3plus-r101_80k_coco-stuff164k.py'
    ),
    teacher_ckpt='work_dirs/deeplabv3plus-r101_80k_coco-stuff164k/iter_80000.pth',
    distiller=distiller,
)
