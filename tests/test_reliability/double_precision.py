"""Trains in float64, where a sum's order changes the sixteenth digit only.

Imported by a config, before its model is built.
"""

import torch
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

torch.set_default_dtype(torch.float64)


@MODELS.register_module()
class DoubleSegDataPreProcessor(SegDataPreProcessor):
    """Hand on images of float64."""

    def forward(self, data: dict, training: bool = False) -> dict:
        """Convert what the parent class makes float32."""
        data = super().forward(data, training)
        data['inputs'] = data['inputs'].double()
        return data
