"""Checkpoints, configs and random state: what several rooms share."""
