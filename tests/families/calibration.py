"""Weights of a random model whose batch norms have seen a batch.

In evaluation a random batch norm changes nothing, so the values of a deep
model without other norms grow from block to block. Trained weights bring
statistics with them.
"""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

#: A random model with larger values than this in evaluation is calibrated.
LARGEST = 1e3
#: Models that leave weights to a checkpoint. The teacher that is built inside
#: of a distillation needs one, too.
UNINITIALIZED = ('mmdet/tridentnet', 'mmseg/san')


@torch.no_grad()
def save_calibrated(model: nn.Module, batch: dict, file: str) -> None:
    """Write weights whose batch norms have the statistics of a batch.

    Args:
        model: A plain model; its batch norms change.
        batch: As a data loader gives it.
        file: Where the weights go.
    """
    model.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train()
            module.reset_running_stats()
            module.momentum = None
    data = model.data_preprocessor(batch, False)
    model.extract_feat(data['inputs'])
    model.eval()
    torch.save(dict(state_dict=model.state_dict()), file)
