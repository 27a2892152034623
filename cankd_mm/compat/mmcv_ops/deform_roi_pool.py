"""Deformable RoI pooling: ``deform_roi_pool_{forward,backward}``.

Dai et al., "Deformable Convolutional Networks",
https://arxiv.org/abs/1703.06211, section 2.2, with the sampling of RoIAlign:
each bin is the mean of bilinear samples, and is moved as a whole by an offset
in units of the region's size.

Legend: B batch, C channels, (H, W) size of the map, N regions
(image, x1, y1, x2, y2), (h, w) bins per region, M = N * h * w, S samples.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.bilinear import weighted_rows
from cankd_mm.compat.mmcv_ops.common import at_least_float32
from cankd_mm.compat.mmcv_ops.roi_grid import Grid, grids, pixels

__all__ = ['deform_roi_pool_backward', 'deform_roi_pool_forward']

# Samples handled at a time: the gradient by the offsets reads four pixels of
# every channel for each.
_CHUNK = 1 << 14


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Writes the pooled regions.

    Args:
        input: Features, (B, C, H, W).
        rois: Regions, (N, 5).
        offset: Shift (x, y) of each bin, (N, 2, h, w); empty for none.
        output: Receives the bins, (N, C, h, w).
        pooled_height: h.
        pooled_width: w.
        spatial_scale: Size of the map relative to the coordinates.
        sampling_ratio: Samples per bin and direction; 0 for one per pixel.
        gamma: Factor of the offsets.
    """
    features, rois, offset = at_least_float32(input, rois, offset)
    size = (pooled_height, pooled_width)
    table = features.permute(0, 2, 3, 1).flatten(0, 2)
    reach = _reach(rois, spatial_scale, gamma)
    for grid in _moved(
        rois, offset, reach, size, spatial_scale, sampling_ratio
    ):
        index, weight = pixels(grid.image, grid.y, grid.x, features.shape)
        sums = weighted_rows(
            table, index.flatten(), weight.flatten(), grid.starts * 4
        )
        bins = sums / grid.counts.clamp(min=1)[:, None]
        bins = bins.view(-1, *size, bins.shape[1]).permute(0, 3, 1, 2)
        output[grid.part] = bins.to(output)


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Adds the gradients by features and offsets to their buffers.

    As in mmcv's kernel, a sample up to one pixel beyond the edge has the
    value of the edge and, by its coordinates, the slope of the pixels next to
    it.

    Args:
        grad_output: Gradient by the output, (N, C, h, w).
        input: Features, (B, C, H, W).
        rois: Regions, (N, 5).
        offset: Shift (x, y) of each bin, (N, 2, h, w); empty for none.
        grad_input: Buffer like ``input``.
        grad_offset: Buffer like ``offset``.
        pooled_height: h.
        pooled_width: w.
        spatial_scale: Size of the map relative to the coordinates.
        sampling_ratio: Samples per bin and direction; 0 for one per pixel.
        gamma: Factor of the offsets.
    """
    grads, features, rois, offset = at_least_float32(
        grad_output, input, rois, offset
    )
    size, shape = (pooled_height, pooled_width), features.shape
    table = features.permute(0, 2, 3, 1).flatten(0, 2)
    grad_table = torch.zeros_like(table)
    reach = _reach(rois, spatial_scale, gamma)
    for grid in _moved(
        rois, offset, reach, size, spatial_scale, sampling_ratio
    ):
        bins = grads[grid.part].permute(0, 2, 3, 1).flatten(0, 2)
        bins = bins / grid.counts.clamp(min=1)[:, None]
        by_sample = bins[grid.bin]
        index, weight = pixels(grid.image, grid.y, grid.x, shape)
        terms = by_sample[:, None] * weight[..., None]
        grad_table.index_add_(0, index.flatten(), terms.flatten(0, 1))
        if offset.numel():
            slopes = _slopes(table, by_sample, grid, shape)
            by_bin = slopes.new_zeros(2, len(grid.counts))
            by_bin.index_add_(1, grid.bin, slopes)
            by_bin = by_bin.view(2, -1, *size).transpose(0, 1)
            by_bin = by_bin * reach[grid.part, :, None, None]
            grad_offset[grid.part] += by_bin.to(grad_offset)
    grad = grad_table.view(shape[0], *shape[2:], shape[1])
    grad_input.add_(grad.permute(0, 3, 1, 2))


def _reach(rois: Tensor, spatial_scale: float, gamma: float) -> Tensor:
    """How far an offset of 1 moves a bin, in x and y: (N, 2)."""
    # In mmcv's order of operations, for the same rounding.
    corners = rois[:, 1:] * spatial_scale - 0.5
    return gamma * (corners[:, 2:] - corners[:, :2])


def _moved(
    rois, offset, reach, size, spatial_scale, sampling_ratio
) -> Iterator[Grid]:
    """Yield the samples of RoIAlign, moved with their bins."""
    shift = reach[..., None, None] * offset if offset.numel() else None
    return grids(
        *(rois, size, spatial_scale, sampling_ratio, True, _CHUNK, shift)
    )


def _slopes(table, by_sample, grid, shape):
    """Gradient by the coordinates (x, y) of each sample: (2, S)."""
    height, width = shape[2:]
    inside = (grid.y >= -1) & (grid.y <= height)
    inside &= (grid.x >= -1) & (grid.x <= width)
    y, low_y, high_y = _neighbors(grid.y, height)
    x, low_x, high_x = _neighbors(grid.x, width)
    start = grid.image * height * width

    def along(row, column):
        # Products with the gradient of the output, over channels.
        index = torch.where(inside, start + row * width + column, 0)
        return (table[index] * by_sample).sum(1) * inside

    low_low, low_high = along(low_y, low_x), along(low_y, high_x)
    high_low, high_high = along(high_y, low_x), along(high_y, high_x)
    above, below = y - low_y, high_y - y
    left, right = x - low_x, high_x - x
    return torch.stack(
        (
            below * (low_high - low_low) + above * (high_high - high_low),
            right * (high_low - low_low) + left * (high_high - low_high),
        )
    )


def _neighbors(coordinate, length):
    """A coordinate, and the pixels before and after it."""
    low = coordinate.clamp(min=0).long().clamp(max=length - 1)
    high = (low + 1).clamp(max=length - 1)
    return coordinate, low, high
