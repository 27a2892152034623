"""Weights of a random model whose batch norms have seen a batch."""

import torch
from torch import nn

from cankd_mm.pairing.random_model import calibrate

#: A random model with larger values than this in evaluation is calibrated.
LARGEST = 1e3
#: Models that leave weights to a checkpoint. The teacher that is built inside
#: of a distillation needs one, too.
UNINITIALIZED = ('mmdet/tridentnet', 'mmseg/san')


def save_calibrated(model: nn.Module, batch: dict, file: str) -> None:
    """Write weights whose batch norms have the statistics of a batch.

    Args:
        model: A plain model; its batch norms change.
        batch: As a data loader gives it.
        file: Where the weights go.
    """
    calibrate(model, batch)
    torch.save(dict(state_dict=model.state_dict()), file)
