"""Multi-scale deformable attention: ``ms_deform_attn_{forward,backward}``.

Zhu et al., "Deformable DETR", https://arxiv.org/abs/2010.04159.

Legend: B batch, V values (pixels of all levels), Q queries, H heads, D
channels per head, L levels, K points.
"""

import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.bilinear import corners, weighted_rows
from cankd_mm.compat.mmcv_ops.common import at_least_float32, gradients

__all__ = ['ms_deform_attn_backward', 'ms_deform_attn_forward']


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Sums values sampled at a few points of every level.

    Args:
        value: Values, (B, V, H, D).
        value_spatial_shapes: Height and width of each level, (L, 2).
        value_level_start_index: First value of each level, (L,).
        sampling_locations: Points (x, y), the map spans 0 to 1,
            (B, Q, H, L, K, 2).
        attention_weights: Weights of the points, (B, Q, H, L, K).
        im2col_step: Images the compiled operator takes at a time; unused.

    Returns:
        The weighted sums.

    Shape:
        - Output: (B, Q, H * D).
    """
    inputs = at_least_float32(value, sampling_locations, attention_weights)
    output = _attend(value_spatial_shapes, value_level_start_index, *inputs)
    return output.to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Adds the gradients of ``ms_deform_attn_forward`` to three buffers.

    Args:
        value: Values, (B, V, H, D).
        value_spatial_shapes: Height and width of each level, (L, 2).
        value_level_start_index: First value of each level, (L,).
        sampling_locations: Points (x, y), (B, Q, H, L, K, 2).
        attention_weights: Weights of the points, (B, Q, H, L, K).
        grad_output: Gradient by the output, (B, Q, H * D).
        grad_value: Buffer like ``value``.
        grad_sampling_loc: Buffer like ``sampling_locations``.
        grad_attn_weight: Buffer like ``attention_weights``.
        im2col_step: Unused.
    """
    buffers = (grad_value, grad_sampling_loc, grad_attn_weight)
    inputs = at_least_float32(value, sampling_locations, attention_weights)

    def attend(*inputs):
        return _attend(value_spatial_shapes, value_level_start_index, *inputs)

    for buffer, grad in zip(
        buffers, gradients(attend, inputs, grad_output), strict=True
    ):
        buffer.add_(grad)


def _attend(shapes, starts, value, locations, attention):
    batch, num_values, heads, channels = value.shape
    height, width = shapes.unbind(1)  # (L,)
    y = locations[..., 1] * height[:, None] - 0.5
    x = locations[..., 0] * width[:, None] - 0.5
    index, weight = corners(y, x, height[:, None], width[:, None])
    # Row of the table: ((image * V) + value) * H + head.
    image = torch.arange(batch, device=value.device).view(-1, *[1] * 5)
    head = torch.arange(heads, device=value.device).view(-1, 1, 1, 1)
    index = index + starts[:, None, None] + image * num_values
    index = index * heads + head
    weight = weight * attention[..., None]
    output = weighted_rows(
        value.reshape(-1, channels),
        index.flatten(3).flatten(0, 2),
        weight.flatten(3).flatten(0, 2),
    )
    return output.view(batch, -1, heads * channels)
