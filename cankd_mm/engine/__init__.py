"""Hooks and the preparation of runs, registered in MMEngine."""

from cankd_mm.engine.hooks.non_finite_loss_hook import (
    NonFiniteLossError,
    NonFiniteLossHook,
)
from cankd_mm.engine.hooks.training_data_hook import TrainingDataHook
from cankd_mm.engine.local_backward_hook import LocalBackwardHook
from cankd_mm.engine.optimizers.distiller_groups import separate_distillers
from cankd_mm.engine.student_checkpoint_hook import StudentCheckpointHook

__all__ = [
    'LocalBackwardHook',
    'NonFiniteLossError',
    'NonFiniteLossHook',
    'StudentCheckpointHook',
    'TrainingDataHook',
]

separate_distillers()
