# The same for a DETR: the levels that come from the backbone, at strides 8, 16
# and 32. The neck adds one more at stride 64, which is left alone.
_base_ = './cankd_fpn.py'

distiller = dict(distill_losses=dict(loss_cankd=dict(num_levels=3)))
