"""Where the samples of regions lie, and the pixels around them.

Legend: B batch, C channels, (H, W) size of the map, N regions
(image, x1, y1, x2, y2), (h, w) bins per region, M = N * h * w, S samples.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cankd_mm.compat.mmcv_ops.bilinear import corners


class Grid(NamedTuple):
    """Samples of some regions, ordered by bin.

    Attributes:
        part: Which regions.
        image: Image of each sample, (S,).
        y: Its vertical coordinate on the map, (S,).
        x: Its horizontal coordinate, (S,).
        bin: Its bin, counted over the regions, (S,).
        starts: First sample of each bin, (M,).
        counts: Number of samples in each bin, (M,).
    """

    part: slice
    image: Tensor
    y: Tensor
    x: Tensor
    bin: Tensor
    starts: Tensor
    counts: Tensor


def grids(
    regions: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    limit: int,
    shift: Tensor | None = None,
) -> Iterator[Grid]:
    """Lay the samples, for as many regions at a time as the limit allows.

    Args:
        regions: Image and corners of each region, (N, 5).
        size: Bins of a region, (h, w).
        spatial_scale: Size of the map relative to the coordinates.
        sampling_ratio: Samples per bin and direction; 0 for one per pixel.
        aligned: Whether pixel centres lie at half-integer coordinates.
        limit: Number of samples at a time, one region's at least.
        shift: How far each bin is moved on the map (x, y), (N, 2, h, w).

    Yields:
        The samples of some regions.
    """
    bins = size[0] * size[1]
    image = regions[:, 0].long()
    corner = regions[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    left, top, right, bottom = corner.unbind(1)
    height, width = bottom - top, right - left
    if not aligned:
        height, width = height.clamp(min=1), width.clamp(min=1)
    bin_height, bin_width = height / size[0], width / size[1]
    if sampling_ratio > 0:
        rows = columns = torch.full_like(image, sampling_ratio)
    else:
        rows = bin_height.ceil().clamp(min=0).long()
        columns = bin_width.ceil().clamp(min=0).long()
    for part in parts((rows * columns * bins).tolist(), limit):
        counts = (rows * columns)[part].repeat_interleave(bins)
        starts = counts.cumsum(0) - counts
        bin = torch.arange(len(counts), device=counts.device)
        bin = bin.repeat_interleave(counts)
        region = bin // bins + part.start
        cell = bin % bins
        sample = torch.arange(len(bin), device=bin.device) - starts[bin]
        moved = (0, 0)
        if shift is not None:
            moved = shift.flatten(2)[region, :, cell].unbind(1)
        y = _coordinate(
            top[region] + moved[1],
            bin_height[region],
            rows[region],
            cell // size[1],
            sample // columns[region],
        )
        x = _coordinate(
            left[region] + moved[0],
            bin_width[region],
            columns[region],
            cell % size[1],
            sample % columns[region],
        )
        yield Grid(part, image[region], y, x, bin, starts, counts)


def parts(samples: list[int], limit: int) -> Iterator[slice]:
    """Yield regions with no more samples than a limit, or one region.

    Args:
        samples: Number of samples of each region.
        limit: Largest number of samples that several regions may have.
    """
    start = total = 0
    for region, count in enumerate(samples):
        if region > start and total + count > limit:
            yield slice(start, region)
            start, total = region, 0
        total += count
    if samples:
        yield slice(start, len(samples))


def _coordinate(start, bin_size, samples, cell, sample):
    # In mmcv's order of operations, for the same rounding.
    return start + cell * bin_size + (sample + 0.5) * bin_size / samples


def pixels(
    image: Tensor, y: Tensor, x: Tensor, shape: torch.Size
) -> tuple[Tensor, Tensor]:
    """Find the four pixels around samples, and their weights.

    The map's edge is repeated for one pixel; samples farther out are zero.

    Args:
        image: Image, or plane, of each sample, (S,).
        y: Vertical coordinates, (S,).
        x: Horizontal coordinates, (S,).
        shape: Of the maps, (B, C, H, W).

    Returns:
        Indices into the pixels of all images, and weights, (S, 4).
    """
    height, width = shape[2:]
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    index, weight = corners(
        y.clamp(0, height - 1), x.clamp(0, width - 1), height, width
    )
    index = index + (image * height * width)[..., None]
    return index, weight * inside[..., None]


def maxima(
    samples: Tensor, bin: Tensor, bins: int, least: float
) -> tuple[Tensor, Tensor]:
    """Find the largest sample of each bin, by channel.

    Args:
        samples: Values, (S, C).
        bin: Bin of each sample, (S,).
        bins: Number of bins.
        least: Result for a bin that has no sample of at least this.

    Returns:
        The maxima, and the first sample that has each, S for none.

    Shape:
        - Output: two times :math:`(bins, C)`.
    """
    expanded = bin[:, None].expand_as(samples)
    best = samples.new_full((bins, samples.shape[1]), least)
    best.scatter_reduce_(0, expanded, samples, 'amax')
    position = torch.arange(len(samples), device=samples.device)[:, None]
    position = torch.where(samples == best[bin], position, len(samples))
    first = torch.full_like(best, len(samples), dtype=torch.long)
    first.scatter_reduce_(0, expanded, position, 'amin')
    return best, first
