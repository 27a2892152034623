"""RoI pooling: ``roi_pool_forward`` and ``roi_pool_backward``.

Girshick, "Fast R-CNN", https://arxiv.org/abs/1504.08083, section 2.1. Each bin
of a region is the maximum of the pixels that it touches.

Legend: B batch, C channels, (H, W) size of the map, N regions
(image, x1, y1, x2, y2), (h, w) bins per region, M = N * h * w, S pixels of
bins.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.common import at_least_float32
from cankd_mm.compat.mmcv_ops.roi_grid import maxima, parts

__all__ = ['roi_pool_backward', 'roi_pool_forward']

# Pixels of bins handled at a time, to bound the memory.
_CHUNK = 1 << 15


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Writes the pooled regions.

    Args:
        input: Features, (B, C, H, W).
        rois: Regions, which include their last pixel, (N, 5).
        output: Receives the bins, (N, C, h, w); 0 for a bin without pixels.
        argmax: Receives where each maximum was found, as row * W + column,
            (N, C, h, w); -1 for a bin without pixels. Of a region that ends
            before it begins mmcv's kernel leaves the buffer as it is, and the
            gradient then goes to the first pixel of the map; here it is -1.
        pooled_height: h.
        pooled_width: w.
        spatial_scale: Size of the map relative to the coordinates.
    """
    features, regions = at_least_float32(input, rois)
    height, width = features.shape[2:]
    size = (pooled_height, pooled_width)
    table = features.permute(0, 2, 3, 1).flatten(0, 2)
    bins = _bins(regions.to(features), size, spatial_scale, (height, width))
    per_region = bins.counts.view(-1, size[0] * size[1]).sum(1)
    for part in parts(per_region.tolist(), _CHUNK):
        first_bin, last_bin = (
            region * size[0] * size[1] for region in (part.start, part.stop)
        )
        bin, pixel = _pixels(bins, slice(first_bin, last_bin), width)
        image = bins.image[first_bin + bin]
        best, first = maxima(
            table[image * (height * width) + pixel],
            bin,
            last_bin - first_bin,
            -torch.inf,
        )
        best = best.masked_fill(first == len(pixel), 0)
        position = torch.cat((pixel, pixel.new_full((1,), -1)))[first]
        for buffer, values in ((output, best), (argmax, position)):
            values = values.view(-1, *size, values.shape[1])
            buffer[part] = values.permute(0, 3, 1, 2).to(buffer)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Adds the gradient of ``roi_pool_forward`` to a buffer.

    Args:
        grad_output: Gradient by the output, (N, C, h, w).
        rois: Regions, (N, 5).
        argmax: Where each maximum was found, (N, C, h, w).
        grad_input: Buffer for the gradient, (B, C, H, W).
        pooled_height: h.
        pooled_width: w.
        spatial_scale: Unused.
    """
    grad_output, regions = at_least_float32(grad_output, rois)
    shape = grad_input.shape
    grad = grad_output.new_zeros(shape).flatten()
    plane = regions[:, 0].long()[:, None] * shape[1]
    plane = plane + torch.arange(shape[1], device=grad.device)
    index = plane[..., None, None] * (shape[2] * shape[3]) + argmax
    found = argmax >= 0
    grad.scatter_add_(
        0,
        torch.where(found, index, 0).flatten(),
        torch.where(found, grad_output, 0).flatten(),
    )
    grad_input.add_(grad.view(shape))


class _Bins(NamedTuple):
    """Bins of all regions, (M,) each.

    Attributes:
        image: Image of a bin.
        top: Its first row.
        left: Its first column.
        columns: How many columns it has.
        counts: How many pixels it has.
    """

    image: Tensor
    top: Tensor
    left: Tensor
    columns: Tensor
    counts: Tensor


def _bins(
    regions: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    map_size: tuple[int, int],
) -> _Bins:
    """Find the pixels of each bin; neighbors may share some."""
    left, top = (regions[:, 1:3] * spatial_scale).unbind(1)
    right, bottom = ((regions[:, 3:] + 1) * spatial_scale).unbind(1)
    exists = (right > left) & (bottom > top)
    rows = _ranges(top, bottom - top, size[0], map_size[0])
    columns = _ranges(left, right - left, size[1], map_size[1])
    shape = (len(regions), *size)
    top, row_count = (t[:, :, None].expand(shape).flatten() for t in rows)
    left, column_count = (
        t[:, None, :].expand(shape).flatten() for t in columns
    )
    bins = size[0] * size[1]
    counts = row_count * column_count * exists.repeat_interleave(bins)
    image = regions[:, 0].long().repeat_interleave(bins)
    return _Bins(image, top, left, column_count, counts)


def _ranges(
    start: Tensor, length: Tensor, number: int, limit: int
) -> tuple[Tensor, Tensor]:
    """First pixels and lengths of bins in one direction: (N, number)."""
    # In mmcv's order of operations, for the same rounding.
    bin_size = length / number
    edge = torch.arange(number + 1, device=start.device).to(start)
    edges = edge * bin_size[:, None] + start[:, None]
    first = edges[:, :-1].floor().clamp(0, limit).long()
    last = edges[:, 1:].ceil().clamp(0, limit).long()
    return first, (last - first).clamp(min=0)


def _pixels(bins: _Bins, chosen: slice, width: int) -> tuple[Tensor, Tensor]:
    """Bin, counted from the first chosen one, and pixel: (S,) each."""
    counts = bins.counts[chosen]
    bin = torch.arange(len(counts), device=counts.device)
    bin = bin.repeat_interleave(counts)
    sample = torch.arange(len(bin), device=counts.device)
    sample = sample - (counts.cumsum(0) - counts)[bin]
    columns = bins.columns[chosen][bin]
    row = bins.top[chosen][bin] + sample // columns
    return bin, row * width + bins.left[chosen][bin] + sample % columns
