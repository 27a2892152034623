"""Means of a map over disjoint windows, which keep nothing of the map.

Torch's average pooling keeps its input for the backward pass, of which it
needs the shape alone, and visits each window one position at a time.

Shapes: B images, C channels, H x W positions.
"""

from functools import reduce
from math import prod

import torch
from torch import Tensor

from cankd_mm.functional.chunks import channel_chunks
from cankd_mm.utils.levels import full_type


def window_mean(x: Tensor, window: tuple[int, int]) -> Tensor:
    r"""Averages a map over windows, as ``F.avg_pool2d`` does.

    Rows and columns beyond the last whole window are left out.

    Args:
        x: A feature map.
        window: Height and width of a window, in positions, no larger than the
            map.

    Returns:
        The means, in the type of ``x`` but never summed in half precision;
        ``x`` itself where a window is one position.

    Shape:
        - x: :math:`(B, C, H, W)`
        - output: :math:`(B, C, \lfloor H / h \rfloor,
          \lfloor W / w \rfloor)`, with a window of h x w
    """
    return x if window == (1, 1) else _WindowMean.apply(x, window)


class _WindowMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, window):
        ctx.size, ctx.window = x.shape[2:], window
        rows, columns = _grid(x.shape[2:], window)
        means = x.new_empty(*x.shape[:2], rows, columns)
        whole = x[:, :, : rows * window[0], : columns * window[1]]
        for part in channel_chunks(x):
            # Whole rows are added before the columns of a window.
            wide = whole[:, part].to(full_type(x))
            windows = wide.unflatten(2, (rows, -1))
            sums = reduce(torch.add, windows.unbind(3))
            sums = sums.unflatten(3, (columns, -1)).unbind(4)
            means[:, part] = reduce(torch.add, sums) / prod(window)
        return means

    @staticmethod
    def backward(ctx, grad_output):
        return _Spread.apply(grad_output, ctx.size, ctx.window), None


class _Spread(torch.autograd.Function):
    """The adjoint: each value in equal shares to its window, 0 to the rest."""

    @staticmethod
    def forward(ctx, means, size, window):
        ctx.window = window
        rows, columns = _grid(size, window)
        x = means.new_empty(*means.shape[:2], *size)
        x[:, :, rows * window[0] :] = 0
        x[:, :, :, columns * window[1] :] = 0
        whole = x[:, :, : rows * window[0], : columns * window[1]]
        for part in channel_chunks(x):
            # A window's first row from the means, the others from that row.
            windows = whole[:, part].unflatten(2, (rows, -1))
            first = windows[:, :, :, 0].unflatten(3, (columns, -1))
            shares = means[:, part].unsqueeze(4).expand_as(first)
            torch.div(shares, prod(window), out=first)
            windows[:, :, :, 1:] = windows[:, :, :, :1]
        return x

    @staticmethod
    def backward(ctx, grad_output):
        return _WindowMean.apply(grad_output, ctx.window), None, None


def _grid(size: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of whole windows."""
    return size[0] // window[0], size[1] // window[1]
