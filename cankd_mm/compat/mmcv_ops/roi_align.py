"""RoIAlign: ``roi_align_forward`` and ``roi_align_backward``.

He et al., "Mask R-CNN", https://arxiv.org/abs/1703.06870. Each bin of a
region is the mean, or the maximum, of bilinear samples on a grid inside it.

Legend: B batch, C channels, (H, W) size of the map, P = B * H * W its pixels,
N regions (image, x1, y1, x2, y2), (h, w) bins per region, M = N * h * w.
"""

import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.bilinear import weighted_rows
from cankd_mm.compat.mmcv_ops.common import at_least_float32, torchvision_ops
from cankd_mm.compat.mmcv_ops.roi_grid import grids, maxima, pixels

__all__ = ['roi_align_backward', 'roi_align_forward']

_MAX, _MEAN = 0, 1
# Samples handled at a time, to bound the memory: for the mean only indices
# and weights are stored (50 MB), for the maximum every sample's channels.
_CHUNK = {_MAX: 1 << 16, _MEAN: 1 << 20}


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Writes the pooled regions.

    Args:
        input: Features, (B, C, H, W).
        rois: Regions, (N, 5).
        output: Receives the bins, (N, C, h, w).
        argmax_y: Receives where each maximum was found, (N, C, h, w);
            unused for the mean.
        argmax_x: As ``argmax_y``.
        aligned_height: h.
        aligned_width: w.
        spatial_scale: Size of the map relative to the coordinates.
        sampling_ratio: Samples per bin and direction; 0 for one per pixel.
        pool_mode: 0 for the maximum, 1 for the mean.
        aligned: Whether pixel centres lie at half-integer coordinates.
    """
    features, regions = at_least_float32(input, rois)
    size = (aligned_height, aligned_width)
    compiled = torchvision_ops(features)
    if compiled is not None and pool_mode == _MEAN:
        pooled = compiled.roi_align(
            features,
            regions.to(features),
            spatial_scale,
            *size,
            sampling_ratio,
            aligned,
        )
        output.copy_(pooled)
        return
    table = features.permute(0, 2, 3, 1).flatten(0, 2)
    for grid in grids(
        regions.to(features),
        size,
        spatial_scale,
        sampling_ratio,
        aligned,
        _CHUNK[pool_mode],
    ):
        index, weight = pixels(grid.image, grid.y, grid.x, features.shape)
        if pool_mode == _MEAN:
            sums = weighted_rows(
                table, index.flatten(), weight.flatten(), grid.starts * 4
            )
            results = (sums / grid.counts.clamp(min=1)[:, None],)
        else:
            results = _maximum(weighted_rows(table, index, weight), grid)
        buffers = (output, argmax_y, argmax_x)[: len(results)]
        for buffer, bins in zip(buffers, results, strict=True):
            bins = bins.view(-1, *size, bins.shape[1]).permute(0, 3, 1, 2)
            buffer[grid.part] = bins.to(buffer)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Adds the gradient of ``roi_align_forward`` to a buffer.

    Args:
        grad_output: Gradient by the output, (N, C, h, w).
        rois: Regions, (N, 5).
        argmax_y: Where each maximum was found, (N, C, h, w).
        argmax_x: As ``argmax_y``.
        grad_input: Buffer for the gradient, (B, C, H, W).
        aligned_height: h.
        aligned_width: w.
        spatial_scale: Size of the map relative to the coordinates.
        sampling_ratio: Samples per bin and direction; 0 for one per pixel.
        pool_mode: 0 for the maximum, 1 for the mean.
        aligned: Whether pixel centres lie at half-integer coordinates.
    """
    grad_output, regions = at_least_float32(grad_output, rois)
    shape, size = grad_input.shape, (aligned_height, aligned_width)
    if pool_mode == _MAX:
        grad = _maximum_backward(
            grad_output, regions, argmax_y, argmax_x, shape
        )
        grad_input.add_(grad)
        return
    regions = regions.to(grad_output)
    compiled = torchvision_ops(grad_output)
    if compiled is not None:
        grad = compiled._roi_align_backward(
            grad_output,
            regions,
            spatial_scale,
            *size,
            *shape,
            sampling_ratio,
            aligned,
        )
        grad_input.add_(grad)
        return
    for grid in grids(
        regions, size, spatial_scale, sampling_ratio, aligned, _CHUNK[_MEAN]
    ):
        bins = grad_output[grid.part].permute(0, 2, 3, 1).flatten(0, 2)
        bins = bins / grid.counts.clamp(min=1)[:, None]
        # The transpose of the forward sum: what a pixel gave to bins, it
        # gets back from them, so the entries are regrouped by pixel.
        index, weight = pixels(grid.image, grid.y, grid.x, shape)
        index, order = index.flatten().sort()
        every_pixel = torch.arange(
            shape[0] * shape[2] * shape[3], device=index.device
        )
        table = weighted_rows(
            bins,
            grid.bin.repeat_interleave(4)[order],
            weight.flatten()[order],
            torch.searchsorted(index, every_pixel),
        )
        table = table.view(shape[0], *shape[2:], shape[1])
        grad_input.add_(table.permute(0, 3, 1, 2))


def _maximum(samples, grid):
    """Largest sample of each bin and its coordinates: three times (M, C)."""
    # mmcv's value for a bin without samples.
    best, first = maxima(samples, grid.bin, len(grid.counts), -10000)
    none = samples.new_full((1,), -1)
    return best, *(torch.cat((c, none))[first] for c in (grid.y, grid.x))


def _maximum_backward(grad_output, rois, argmax_y, argmax_x, shape):
    grad = grad_output.new_zeros(shape).flatten()
    step = max(1, _CHUNK[_MEAN] // max(1, grad_output[:1].numel()))
    plane = torch.arange(shape[1], device=grad.device)[:, None, None]
    for part in range(0, len(rois), step):
        part = slice(part, part + step)
        y, x = at_least_float32(argmax_y[part], argmax_x[part])
        image = rois[part, 0].long()[:, None, None, None] * shape[1] + plane
        index, weight = pixels(image, y, x, shape)
        weight = weight * ((y != -1) * grad_output[part])[..., None]
        grad.scatter_add_(0, index.flatten(), weight.flatten().to(grad))
    return grad.view(shape)
