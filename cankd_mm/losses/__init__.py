"""Distillation losses, registered in MMRazor's ``MODELS``."""

from cankd_mm.losses.cankd_loss import CanKDLoss
from cankd_mm.losses.cskd_loss import CSKDLoss
from cankd_mm.losses.lakd_loss import LAKDLoss
from cankd_mm.losses.tat_loss import TaTLoss

__all__ = ['CSKDLoss', 'CanKDLoss', 'LAKDLoss', 'TaTLoss']
