"""Checkpoints, configs and random state: what several rooms share."""

# MMEngine's hub looks for the function here in every package.
from cankd_mm.registration import register_all_modules

__all__ = ['register_all_modules']
