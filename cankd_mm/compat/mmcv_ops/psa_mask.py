"""Point-wise spatial attention masks: ``psamask_{forward,backward}``.

Zhao et al., "PSANet: Point-wise Spatial Attention Network for Scene Parsing",
ECCV 2018, section 3.3. Every position of a map predicts a window of weights
around itself. The operator lays the windows out as one weight for each pair
of positions; what a window says beyond the map's edge is dropped.

Legend: B batch, (H, W) size of the map, P = H * W its positions, (h, w) size
of the window.
"""

import torch
from torch import Tensor

__all__ = ['psamask_backward', 'psamask_forward']

# Entries handled at a time, to bound the memory of their indices (32 MB).
_CHUNK = 1 << 22
_COLLECT = 0


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Writes the weight of each pair of positions.

    Args:
        input: Windows, (B, h * w, H, W).
        output: Receives the weights, (B, P, H, W). Where the window of (y, x)
            covers position p, 'collect' writes to ``[:, p, y, x]``, and
            'distribute' to ``[:, y * W + x]`` at p. The rest is not touched.
        psa_type: 0 for 'collect', 1 for 'distribute'.
        num_: B.
        h_feature: H.
        w_feature: W.
        h_mask: h.
        w_mask: w.
        half_h_mask: Row of the window that lies on its own position.
        half_w_mask: Its column.
    """
    pairs = _pairs(output, psa_type)
    for rows in _chunks(output.shape[1], h_feature, w_feature):
        # The entry of a window that covers each position.
        y, x = _coordinates(h_feature, w_feature, input.device)
        own_y, own_x = _own(rows, w_feature, input.device)
        row, column = y - own_y + half_h_mask, x - own_x + half_w_mask
        _gather(input, pairs, row, column, (h_mask, w_mask), rows)


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Writes the gradient of ``psamask_forward``.

    Args:
        grad_output: Gradient by the weights, (B, P, H, W).
        grad_input: Receives the gradient by the windows, (B, h * w, H, W).
        psa_type: 0 for 'collect', 1 for 'distribute'.
        num_: B.
        h_feature: H.
        w_feature: W.
        h_mask: h.
        w_mask: w.
        half_h_mask: Row of the window that lies on its own position.
        half_w_mask: Its column.
    """
    pairs = _pairs(grad_output, psa_type)
    for rows in _chunks(h_mask * w_mask, h_feature, w_feature):
        # The position that each entry of a window covers.
        y, x = _coordinates(h_mask, w_mask, grad_output.device)
        own_y, own_x = _own(rows, w_feature, grad_output.device)
        row, column = y + own_y - half_h_mask, x + own_x - half_w_mask
        size = (h_feature, w_feature)
        _gather(pairs, grad_input, row, column, size, rows)


def _pairs(weights: Tensor, psa_type: int) -> Tensor:
    """View weights as those of 'collect': (B, covered, own row, own column).

    'distribute' has the same weights with the positions exchanged.
    """
    if psa_type == _COLLECT:
        return weights
    return weights.flatten(2).transpose(1, 2).view_as(weights)


def _chunks(channels: int, height: int, width: int):
    step = max(1, _CHUNK // max(1, channels * width))
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _coordinates(height: int, width: int, device) -> tuple[Tensor, Tensor]:
    """Rows and columns, that broadcast with those of :func:`_own`."""
    y = torch.arange(height, device=device).view(-1, 1, 1, 1)
    return y, torch.arange(width, device=device).view(-1, 1, 1)


def _own(rows: slice, width: int, device) -> tuple[Tensor, Tensor]:
    """Rows and columns of the positions that have a window."""
    y = torch.arange(rows.start, rows.stop, device=device).view(-1, 1)
    return y, torch.arange(width, device=device)


def _gather(source, target, row, column, size, rows):
    """Copy source[:, row * width + column] to target where that is inside.

    Row and column broadcast to (height, width, rows, W).
    """
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    index = torch.where(inside, row * size[1] + column, 0).flatten(0, 1)
    source, target = source[:, :, rows], target[:, :, rows]
    values = source.gather(1, index.expand(len(source), *index.shape))
    target.copy_(torch.where(inside.flatten(0, 1), values, target))
