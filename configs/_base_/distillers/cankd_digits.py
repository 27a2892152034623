# The same for the digits: three levels of 48 channels.
_base_ = './cankd_fpn.py'

distiller = dict(
    distill_losses=dict(loss_cankd=dict(in_channels=48, num_levels=3))
)
