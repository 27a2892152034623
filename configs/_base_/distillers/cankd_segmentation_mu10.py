# The same at mu = 10 (20 in the authors' code), as the authors train a
# DeepLabV3 with a PSPNet.
_base_ = './cankd_segmentation.py'

distiller = dict(distill_losses=dict(loss_cankd=dict(loss_weight=10.0)))
