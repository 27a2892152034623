# From the authors' alpha 0.4, beta 1, gamma 1 and batch B = 12:
# patch_weight = alpha * beta * B, anchor_weight = alpha * gamma * B.
# They ran COCO-Stuff 10k; nothing is published for 164k.
_base_ = './tat_deeplabv3plus.py'

distiller = dict(
    distill_losses=dict(
        loss_tat=dict(
            student_channels=512,
            patch_size=(8, 8),
            patches_per_group=4,
            anchor_stride=(4, 4),
            patch_weight=4.8,
            anchor_weight=4.8,
        )
    )
)
