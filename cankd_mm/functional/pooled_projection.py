"""A 1x1 convolution and a 2x2 max pooling that keep nothing in between.

Shapes: B images, C channels, d embedding channels, H x W positions.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.functional.chunks import chunk_elements
from cankd_mm.functional.first_derivatives import first_derivatives_only


def pooled_projection(x: Tensor, weight: Tensor) -> Tensor:
    """Max-pools a projection of a map over disjoint windows of 2x2.

    Torch's own two steps keep the projection, four times the result, for the
    backward pass. Here some rows of an image are projected at a time, and
    only the places of the maxima are kept.

    Args:
        x: A feature map, a constant: it gets no gradient.
        weight: The projection; its type is that of the computation.

    Returns:
        The pooled projection, of the type of ``weight``. An odd last row or
        column is dropped.

    Shape:
        - x: :math:`(B, C, H, W)`
        - weight: :math:`(d, C)`
        - output: :math:`(B, d, H // 2, W // 2)`
    """
    return _PooledProjection.apply(x, weight)


class _PooledProjection(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        shape = batch, weight.size(0), height // 2, width // 2
        output = weight.new_empty(shape)
        # Within the rows of a chunk, in half of what torch's int64 takes.
        places = torch.empty(shape, dtype=torch.int32, device=x.device)
        for image, rows, pooled in _row_chunks(x):
            positions = x[image, :, rows].to(weight.dtype).flatten(1)
            projected = (weight @ positions).unflatten(1, (-1, width))
            output[image, :, pooled], places[image, :, pooled] = F.max_pool2d(
                projected, 2, return_indices=True
            )
        ctx.save_for_backward(x, weight, places)
        return output

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_output: Tensor) -> tuple[None, Tensor]:
        x, weight, places = ctx.saved_tensors
        grad_weight = torch.zeros_like(weight)
        for image, rows, pooled in _row_chunks(x):
            positions = x[image, :, rows].to(weight.dtype).flatten(1)
            scattered = positions.new_zeros(len(weight), positions.size(1))
            scattered.scatter_(
                1,
                places[image, :, pooled].flatten(1).long(),
                grad_output[image, :, pooled].flatten(1),
            )
            torch.addmm(grad_weight, scattered, positions.T, out=grad_weight)
        return None, grad_weight


def _row_chunks(x: Tensor) -> Iterator[tuple[int, slice, slice]]:
    """Yields an image, some of its rows, and these after the pooling."""
    batch, channels, height, width = x.shape
    pairs = max(chunk_elements(x.device) // (2 * channels * width), 1)
    for image in range(batch):
        for start in range(0, height // 2, pairs):
            stop = min(start + pairs, height // 2)
            yield image, slice(2 * start, 2 * stop), slice(start, stop)
