"""A 1x1 convolution and a 2x2 max pooling that keep nothing in between.

Shapes: B images, C channels, d embedding channels, H x W positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.functional.first_derivatives import first_derivatives_only


def pooled_projection(x: Tensor, weight: Tensor) -> Tensor:
    """Max-pools a projection of a map over disjoint windows of 2x2.

    Torch's own two steps keep the projection, four times the result, for the
    backward pass. Here one image is projected at a time, and only the places
    of the maxima are kept.

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
        batch, _, *size = x.shape
        shape = batch, weight.size(0), size[0] // 2, size[1] // 2
        output = weight.new_empty(shape)
        # Half of what torch's int64 takes.
        places = torch.empty(shape, dtype=torch.int32, device=x.device)
        for image in range(batch):
            projected = weight @ x[image].to(weight.dtype).flatten(1)
            output[image], places[image] = F.max_pool2d(
                projected.unflatten(1, size), 2, return_indices=True
            )
        ctx.save_for_backward(x, weight, places)
        return output

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_output: Tensor) -> tuple[None, Tensor]:
        x, weight, places = ctx.saved_tensors
        grad_weight = torch.zeros_like(weight)
        for image, grad, place in zip(x, grad_output, places, strict=True):
            positions = image.to(weight.dtype).flatten(1).T
            scattered = grad.new_zeros(len(grad), len(positions)).scatter_(
                1, place.flatten(1).long(), grad.flatten(1)
            )
            torch.addmm(grad_weight, scattered, positions, out=grad_weight)
        return None, grad_weight
