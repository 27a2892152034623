# From the authors' alpha 0.1, beta 1, gamma 0.4 and batch B = 16:
# patch_weight = alpha * beta * B, anchor_weight = alpha * gamma * B.
_base_ = './tat_deeplabv3plus.py'

distiller = dict(
    distill_losses=dict(
        loss_tat=dict(
            student_channels=128,
            patch_size=(8, 8),
            patches_per_group=4,
            anchor_stride=(4, 4),
            patch_weight=1.6,
            anchor_weight=0.64,
        )
    )
)
