"""Bilinear sampling as weighted sums over the rows of a table.

A sample is a weighted sum of four pixels, and what the operators want is a
weighted sum of samples. ``embedding_bag`` computes such sums without storing
their terms and differentiates both the rows and the weights.

Legend: P pixels, the rows of the table; C channels; S sampling points.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def corners(y: Tensor, x: Tensor, height, width) -> tuple[Tensor, Tensor]:
    """Finds the four pixels around each point and their bilinear weights.

    The map is zero outside, and so is the gradient of a point at exactly -1,
    where mmcv's rule is ``y > -1 and x > -1``. ``height`` and ``width`` are
    numbers or tensors that broadcast with the points.

    Args:
        y: Vertical coordinates, 0 at the centre of the first row.
        x: Horizontal coordinates.
        height: Rows of the map.
        width: Columns of the map.

    Returns:
        Indices (row * width + column) and weights.

    Shape:
        - y, x: :math:`(*)`.
        - Output: two times :math:`(*, 4)`.
    """
    top, left = y.detach().floor(), x.detach().floor()
    bottom_weight, right_weight = y - top, x - left
    within_reach = (y > -1) & (x > -1)
    index, weight = [], []
    for row, row_weight in (
        (top, 1 - bottom_weight),
        (top + 1, bottom_weight),
    ):
        for column, column_weight in (
            (left, 1 - right_weight),
            (left + 1, right_weight),
        ):
            inside = within_reach & (row >= 0) & (row < height)
            inside &= (column >= 0) & (column < width)
            index.append(torch.where(inside, row * width + column, 0).long())
            weight.append(torch.where(inside, row_weight * column_weight, 0))
    return torch.stack(index, -1), torch.stack(weight, -1)


def weighted_rows(
    table: Tensor, index: Tensor, weight: Tensor, starts: Tensor | None = None
) -> Tensor:
    """Sums weighted rows of a table.

    Args:
        table: Rows, (P, C).
        index: Rows to sum, (S, K), or (S * K,) with ``starts``.
        weight: Their weights, of the index's shape.
        starts: Where each sum's entries start, if their number varies.

    Returns:
        The sums.

    Shape:
        - Output: (S, C).
    """
    return F.embedding_bag(
        index, table, starts, mode='sum', per_sample_weights=weight
    )
