"""Means of a map over disjoint windows, which keep nothing of the map.

Torch's average pooling keeps its input for the backward pass, of which it
needs the shape alone, and visits each window one position at a time.

Shapes: B images, C channels, H x W positions.
"""

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.functional.channel_chunks import channel_chunks


def window_mean(x: Tensor, window: tuple[int, int]) -> Tensor:
    r"""Averages a map over windows, as ``F.avg_pool2d`` does.

    Rows and columns beyond the last whole window are left out.

    Args:
        x: A feature map.
        window: Height and width of a window, in positions, no larger than the
            map.

    Returns:
        The means; ``x`` itself where a window is one position.

    Shape:
        - x: :math:`(B, C, H, W)`
        - output: :math:`(B, C, \lfloor H / h \rfloor,
          \lfloor W / w \rfloor)`, with a window of h x w
    """
    return x if window == (1, 1) else _WindowMean.apply(x, *window)


class _WindowMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, height, width):
        ctx.size, ctx.window = x.shape[2:], (height, width)
        rows, columns = x.size(2) // height, x.size(3) // width
        means = x.new_empty(*x.shape[:2], rows, columns)
        whole = x[:, :, : rows * height, : columns * width]
        for part in channel_chunks(x):
            # Whole rows are added before the columns of a window.
            windows = whole[:, part].unflatten(2, (rows, height))
            sums = reduce(torch.add, windows.unbind(3))
            sums = sums.unflatten(3, (columns, width)).unbind(4)
            means[:, part] = reduce(torch.add, sums) / (height * width)
        return means

    @staticmethod
    def backward(ctx, grad_output):
        height, width = ctx.window
        shares = (grad_output / (height * width)).unsqueeze(4)
        rows = shares.expand(-1, -1, -1, -1, width).flatten(3).unsqueeze(3)
        grad = rows.expand(-1, -1, -1, height, -1).flatten(2, 3)
        lacking = [
            have - found
            for have, found in zip(ctx.size, grad.shape[2:], strict=True)
        ]
        if any(lacking):
            grad = F.pad(grad, (0, lacking[1], 0, lacking[0]))
        return grad, None, None
