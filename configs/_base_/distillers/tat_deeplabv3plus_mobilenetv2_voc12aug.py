# From the authors' alpha 0.1, beta 1, gamma 0.5 and batch B = 12:
# patch_weight = alpha * beta * B, anchor_weight = alpha * gamma * B.
_base_ = './tat_deeplabv3plus.py'

distiller = dict(
    distill_losses=dict(
        loss_tat=dict(
            student_channels=512,
            patch_size=(4, 4),
            patches_per_group=1,
            anchor_stride=(2, 2),
            patch_weight=1.2,
            anchor_weight=0.6,
        )
    )
)
