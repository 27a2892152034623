"""Distillation losses, registered in MMRazor's ``MODELS``."""

from cankd_mm.losses.cankd_loss import CanKDLoss
from cankd_mm.losses.cskd_loss import CSKDLoss

__all__ = ['CSKDLoss', 'CanKDLoss']
