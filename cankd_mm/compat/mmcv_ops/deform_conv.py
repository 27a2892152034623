"""Deformable convolution, plain and modulated.

``deform_conv_{forward,backward_input,backward_parameters}`` and
``modulated_deform_conv_{forward,backward}`` of ``mmcv._ext``. Dai et al.,
https://arxiv.org/abs/1703.06211; Zhu et al.,
https://arxiv.org/abs/1811.11168.

Legend: B batch, I input and O output channels, (H, W) input and (h, w) output
size, G groups, D groups of offsets, K points of the kernel.
"""

import math

import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.bilinear import corners, weighted_rows
from cankd_mm.compat.mmcv_ops.common import (
    at_least_float32,
    gradients,
    torchvision_ops,
)

__all__ = [
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
]


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **geometry,
) -> None:
    """Writes the deformable convolution.

    Args:
        input: Features, (B, I, H, W).
        weight: Kernel, (O, I / G, kH, kW).
        offset: Shift (y, x) of each point, (B, D * K * 2, h, w).
        output: Receives the result, (B, O, h, w).
        columns: Work space of the compiled operator; unused, like ``ones``.
        ones: Unused.
        **geometry: See ``_plain``.
    """
    convolve = _plain(output.shape[-2:], **geometry)
    output.copy_(convolve(*at_least_float32(input, offset, weight)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **geometry,
) -> None:
    """Adds the gradient by the input to its buffer, writes the offset's.

    Args:
        input: Features, (B, I, H, W).
        offset: Shift (y, x) of each point, (B, D * K * 2, h, w).
        grad_output: Gradient by the output, (B, O, h, w).
        grad_input: Buffer like ``input``.
        grad_offset: Receives the gradient by ``offset``.
        weight: Kernel, (O, I / G, kH, kW).
        columns: Unused.
        **geometry: See ``_plain``.
    """
    convolve = _plain(grad_output.shape[-2:], **geometry)
    input, offset, weight = at_least_float32(input, offset, weight)
    by_input, by_offset = gradients(
        lambda input, offset: convolve(input, offset, weight),
        (input, offset),
        grad_output,
    )
    grad_input.add_(by_input)
    grad_offset.copy_(by_offset)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **geometry,
) -> None:
    """Adds the gradient by the kernel to its buffer.

    Args:
        input: Features, (B, I, H, W).
        offset: Shift (y, x) of each point, (B, D * K * 2, h, w).
        grad_output: Gradient by the output, (B, O, h, w).
        grad_weight: Buffer like the kernel, (O, I / G, kH, kW).
        columns: Unused.
        ones: Unused.
        scale: Factor of the gradient.
        **geometry: See ``_plain``.
    """
    convolve = _plain(grad_output.shape[-2:], **geometry)
    # The gradient of a linear map does not depend on where it is taken.
    input, offset, weight = at_least_float32(input, offset, grad_weight)
    (by_weight,) = gradients(
        lambda weight: convolve(input, offset, weight),
        (weight,),
        grad_output * scale,
    )
    grad_weight.add_(by_weight)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **geometry,
) -> None:
    """Writes the modulated deformable convolution.

    Args:
        input: Features, (B, I, H, W).
        weight: Kernel, (O, I / G, kernel_h, kernel_w).
        bias: Bias, (O,), or anything if not ``with_bias``.
        ones: Work space of the compiled operator; unused, like ``columns``.
        offset: Shift (y, x) of each point, (B, D * K * 2, h, w). Larger maps,
            which DyHead has, are read as mmcv's kernels read them: the first
            D * K * 2 * h * w numbers of an image, laid out anew.
        mask: Weight of each point, (B, D * K, h, w), or larger, likewise.
        output: Receives the result, (B, O, h, w).
        columns: Unused.
        with_bias: Whether the bias is added.
        **geometry: See ``_modulated``.
    """
    convolve = _modulated(output.shape[-2:], **geometry)
    result = convolve(*at_least_float32(input, offset, weight, mask))
    if with_bias:
        result = result + bias.detach()[:, None, None]
    output.copy_(result)


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **geometry,
) -> None:
    """Computes the gradients of ``modulated_deform_conv_forward``.

    Those by offset and mask are written, the others added, to their buffers.

    Args:
        input: Features, (B, I, H, W).
        weight: Kernel, (O, I / G, kernel_h, kernel_w).
        bias: Unused, like ``ones`` and ``columns``.
        ones: Unused.
        offset: Shift (y, x) of each point, (B, D * K * 2, h, w), or larger.
        mask: Weight of each point, (B, D * K, h, w), or larger.
        columns: Unused.
        grad_input: Buffer like ``input``.
        grad_weight: Buffer like ``weight``.
        grad_bias: Buffer like ``bias``; untouched if not ``with_bias``.
        grad_offset: Receives the gradient by ``offset``; 0 where larger maps
            are not read.
        grad_mask: Receives the gradient by ``mask``, likewise.
        grad_output: Gradient by the output, (B, O, h, w).
        with_bias: Whether there is a bias.
        **geometry: See ``_modulated``.
    """
    by_input, by_offset, by_weight, by_mask = gradients(
        _modulated(grad_output.shape[-2:], **geometry),
        at_least_float32(input, offset, weight, mask),
        grad_output,
    )
    grad_input.add_(by_input)
    grad_weight.add_(by_weight)
    grad_offset.copy_(by_offset)
    grad_mask.copy_(by_mask)
    if with_bias:
        grad_bias.add_(grad_output.sum((0, 2, 3)))


def _plain(
    size,
    *,
    kW,
    kH,
    dW,
    dH,
    padW,
    padH,
    dilationW,
    dilationH,
    group,
    deformable_group,
    im2col_step,
):
    """Reads the geometry in the words of ``deform_conv_*``.

    ``size`` is the output's. Memory is not bounded by ``im2col_step``.
    """
    convolve = _convolution(
        (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group
    )

    def convolve_checked(input, offset, weight):
        shape = (len(input), deformable_group * kH * kW * 2, *size)
        if offset.shape != shape:
            raise ValueError(
                'deformable convolution: offset has shape '
                f'{tuple(offset.shape)}, expected {shape}'
            )
        return convolve(input, offset, weight)

    return convolve_checked


def _modulated(
    size,
    *,
    kernel_h,
    kernel_w,
    stride_h,
    stride_w,
    pad_h,
    pad_w,
    dilation_h,
    dilation_w,
    group,
    deformable_group,
):
    """Reads the geometry in the words of ``modulated_deform_conv_*``.

    ``size`` is the output's.
    """
    convolve = _convolution(
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )

    def convolve_packed(input, offset, weight, mask):
        offset = _prefix(offset, size, 'offset')
        return convolve(input, offset, weight, _prefix(mask, size, 'mask'))

    return convolve_packed


def _prefix(maps, size, name):
    """The first numbers of each image as maps of the output's size."""
    if maps.shape[-2:] == size:
        return maps
    shape = (*maps.shape[:2], *size)
    needed = math.prod(shape[1:])
    if maps[:1].numel() < needed:
        raise ValueError(
            f'modulated deformable convolution: {name} has shape '
            f'{tuple(maps.shape)}, expected {shape} or larger maps'
        )
    return maps.flatten(1)[:, :needed].reshape(shape)


def _convolution(stride, padding, dilation, groups, offset_groups):
    """Returns the convolution: (input, offset, weight, mask) -> output."""

    def convolve(input, offset, weight, mask=None):
        with torch.autocast(input.device.type, enabled=False):
            kernel = weight.shape[2:]
            compiled = torchvision_ops(input)
            if compiled is not None:
                return compiled.deform_conv2d(
                    input,
                    weight,
                    _off_the_edge(
                        offset.unflatten(1, (offset_groups, -1, 2)),
                        *(kernel, stride, padding, dilation),
                    ).flatten(1, 3),
                    input.new_zeros(len(input), 1) if mask is None else mask,
                    input.new_zeros(len(weight)),
                    *stride,
                    *padding,
                    *dilation,
                    groups,
                    offset_groups,
                    mask is not None,
                )
            offset = offset.unflatten(1, (offset_groups, -1, 2))
            points = _points(offset, kernel, stride, padding, dilation)
            columns = _columns(input, *points, mask)
            columns = columns.unflatten(1, (groups, -1)).flatten(2, 3)
            kernels = weight.flatten(1).unflatten(0, (groups, -1))
            return (
                (kernels @ columns)
                .flatten(1, 2)
                .view(len(input), len(weight), *offset.shape[-2:])
            )

    return convolve


def _off_the_edge(offset, *geometry):
    """Moves points at exactly -1 farther out.

    Nothing is sampled there, and the gradient by the offset is 0, as mmcv has
    it; torchvision gives such a point the slope of the pixels beside it.
    """
    y, x = _points(offset, *geometry)
    at_edge = (y == -1) | (x == -1)
    return offset - 2 * at_edge.unsqueeze(3)


def _points(offset, kernel, stride, padding, dilation):
    """Where each point of the kernel looks: y and x, (B, D, K, h, w)."""
    ky, kx = (
        torch.arange(size, device=offset.device) * step
        for size, step in zip(kernel, dilation, strict=True)
    )
    top, left = (
        torch.arange(size, device=offset.device) * step - pad
        for size, step, pad in zip(
            offset.shape[-2:], stride, padding, strict=True
        )
    )
    y = ky.repeat_interleave(len(kx))[:, None, None] + top[:, None]
    x = kx.repeat(len(ky))[:, None, None] + left
    return y + offset[:, :, :, 0], x + offset[:, :, :, 1]


def _columns(input, y, x, mask):
    """Samples the input for every point of the kernel: (B, I, K, h * w)."""
    height, width = input.shape[2:]
    batch, offset_groups, points = y.shape[:3]
    index, weight = corners(y, x, height, width)
    if mask is not None:
        weight = weight * mask.view(y.shape)[..., None]
    # A table for each image and group of offsets, one below the other.
    tables = torch.arange(batch * offset_groups, device=input.device)
    index = index.flatten(0, 1) + (tables * height * width).view(
        -1, 1, 1, 1, 1
    )
    table = input.unflatten(1, (offset_groups, -1)).flatten(3).transpose(2, 3)
    rows = weighted_rows(
        table.flatten(0, 2), index.flatten(0, -2), weight.flatten(0, -2)
    )
    rows = rows.view(batch, offset_groups, points, -1, table.shape[-1])
    return rows.permute(0, 1, 4, 2, 3).flatten(1, 2)
