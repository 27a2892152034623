"""Distillation losses, registered in MMRazor's ``MODELS``."""

from cankd_mm.losses.cankd_loss import CanKDLoss

__all__ = ['CanKDLoss']
