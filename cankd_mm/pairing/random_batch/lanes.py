"""Random images with lane lines, for CLRNet."""

import numpy as np
import torch
from mmengine.structures import BaseDataElement, PixelData

from cankd_mm.pairing.random_batch.images import generators, random_image

# Height and width that the head is made for, the rows in which a line is
# given, and how many lines there can be.
_SIZE, _ROWS, _LINES = (320, 800), 72, 4


def lane_batch(images: int = 2) -> dict:
    """Make images with two lines each, as `PackLineDetectionInputs` does.

    Args:
        images: Number of images.
    """
    batch = dict(inputs=[], data_samples=[])
    for generator in generators(images):
        batch['inputs'].append(random_image(_SIZE, 3, generator))
        sample = BaseDataElement(
            metainfo=dict(img_shape=_SIZE, ori_shape=_SIZE)
        )
        sample.lines_array = _lines()
        sample.org_height, sample.org_width = _SIZE
        sample.gt_sem_seg = PixelData(
            sem_seg=torch.randint(5, (1, *_SIZE), generator=generator)
        )
        batch['data_samples'].append(sample)
    return batch


def _lines() -> np.ndarray:
    """No line, line; start y, start x, angle, length; x of every row."""
    lines = np.full((_LINES, 6 + _ROWS), -1e5, np.float32)
    lines[:, :2] = 1, 0
    for line, x in zip(lines, (200.0, 500.0), strict=False):
        line[:2] = 0, 1
        line[2:6] = 0, x, 0.5, _ROWS
        line[6:] = x + np.arange(_ROWS)
    return lines
