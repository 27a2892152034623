"""CARAFE: ``carafe_{forward,backward}`` and ``carafe_naive_*``.

Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures",
https://arxiv.org/abs/1905.02188, equation 4. Every pixel of the upsampled map
is a weighted sum over the window around its source pixel, with weights of its
own; the map is 0 beyond its edge.

Legend: B batch, C channels, (H, W) size of the map, s scale, k size of the
window, G groups of channels that share their weights, P positions: pixels of
some rows of a map, times G.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.compat.mmcv_ops.common import at_least_float32

__all__ = [
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
]

# Values of windows handled at a time, to bound the memory (32 MB).
_CHUNK = 1 << 23


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Writes the upsampled map.

    Args:
        features: Map, (B, C, H, W).
        masks: Weights, (B, G * k * k, s * H, s * W).
        output: Receives the result, (B, C, s * H, s * W).
        kernel_size: k.
        group_size: G.
        scale_factor: s.
    """
    sizes = (kernel_size, group_size, scale_factor)
    features, masks = at_least_float32(features, masks)
    with torch.autocast(features.device.type, enabled=False):
        for image, weights, target in zip(
            features, masks, output, strict=True
        ):
            target = _by_pixel(target, group_size, scale_factor)
            for part in _parts(image, weights, *sizes):
                pixels = part.weights @ part.windows
                destination = target[part.rows]
                destination.copy_(pixels.view(destination.shape))


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_features: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Adds the gradients of ``carafe_naive_forward`` to two buffers.

    Args:
        grad_output: Gradient by the output, (B, C, s * H, s * W).
        features: Map, (B, C, H, W).
        masks: Weights, (B, G * k * k, s * H, s * W).
        grad_features: Buffer like ``features``.
        grad_masks: Buffer like ``masks``.
        kernel_size: k.
        group_size: G.
        scale_factor: s.
    """
    sizes = (kernel_size, group_size, scale_factor)
    grads, features, masks = at_least_float32(grad_output, features, masks)
    with torch.autocast(features.device.type, enabled=False):
        for index, (image, weights) in enumerate(
            zip(features, masks, strict=True)
        ):
            grad = _by_pixel(grads[index], group_size, scale_factor)
            target = _by_pixel(grad_masks[index], group_size, scale_factor)
            by_pixel = _padded(torch.zeros_like(image), kernel_size)
            for part in _parts(image, weights, *sizes):
                upsampled = grad[part.rows].flatten(0, 2).flatten(1, 2)
                by_weight = upsampled @ part.windows.mT
                destination = target[part.rows]
                destination.add_(by_weight.view(destination.shape))
                by_window = part.weights.mT @ upsampled
                _add_windows(by_pixel, by_window, part.rows, *sizes[:2])
            radius = (kernel_size - 1) // 2
            inside = slice(radius, -radius or None)
            grad_features[index].add_(
                by_pixel[inside, inside].permute(2, 0, 1)
            )


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Writes the upsampled map, as ``carafe_naive_forward``.

    Args:
        features: Map, (B, C, H, W).
        masks: Weights, (B, G * k * k, s * H, s * W).
        rfeatures: Receives what ``carafe_backward`` is given: the map.
        routput: Work space of the compiled operator; unused, like ``rmasks``.
        rmasks: Unused.
        output: Receives the result, (B, C, s * H, s * W).
        kernel_size: k.
        group_size: G.
        scale_factor: s.
    """
    rfeatures.copy_(features)
    carafe_naive_forward(
        features, masks, output, kernel_size, group_size, scale_factor
    )


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Adds the gradients of ``carafe_forward`` to two buffers.

    Args:
        grad_output: Gradient by the output, (B, C, s * H, s * W).
        rfeatures: What ``carafe_forward`` left there: the map, (B, C, H, W).
        masks: Weights, (B, G * k * k, s * H, s * W).
        rgrad_output: Work space; unused, like the three that follow.
        rgrad_input_hs: Unused.
        rgrad_input: Unused.
        rgrad_masks: Unused.
        grad_input: Buffer like the map.
        grad_masks: Buffer like ``masks``.
        kernel_size: k.
        group_size: G.
        scale_factor: s.
    """
    carafe_naive_backward(
        *(grad_output, rfeatures, masks, grad_input, grad_masks),
        *(kernel_size, group_size, scale_factor),
    )


class _Part(NamedTuple):
    """Some rows of a map.

    Attributes:
        rows: Which rows.
        windows: What the window of each position covers, (P, k * k, C / G).
        weights: Its weights, (P, s * s, k * k).
    """

    rows: slice
    windows: Tensor
    weights: Tensor


def _parts(
    image: Tensor, weights: Tensor, kernel: int, groups: int, scale: int
) -> Iterator[_Part]:
    """Yield the factors of the sums, a few rows of the map at a time."""
    channels, height, width = image.shape
    padded = _padded(image, kernel)
    weights = _by_pixel(weights, groups, scale)
    step = max(1, _CHUNK // max(1, channels * width * kernel * kernel))
    for start in range(0, height, step):
        rows = slice(start, min(start + step, height))
        covered = padded[start : rows.stop + kernel - 1]
        windows = covered.unfold(0, kernel, 1).unfold(1, kernel, 1)
        windows = windows.unflatten(2, (groups, -1)).permute(0, 1, 2, 4, 5, 3)
        yield _Part(
            rows,
            windows.flatten(0, 2).flatten(1, 2),
            weights[rows].flatten(0, 2).flatten(1, 2),
        )


def _padded(image: Tensor, kernel: int) -> Tensor:
    """Put zeros around a map, channels last: (H + k - 1, W + k - 1, C)."""
    radius = (kernel - 1) // 2
    return F.pad(image.permute(1, 2, 0), (0, 0, *(radius,) * 4))


def _by_pixel(upsampled: Tensor, groups: int, scale: int) -> Tensor:
    """View (N, s * H, s * W) as (H, W, G, s, s, N / G)."""
    return (
        upsampled.unflatten(0, (groups, -1))
        .unflatten(2, (-1, scale))
        .unflatten(4, (-1, scale))
        .permute(2, 4, 0, 3, 5, 1)
    )


def _add_windows(
    padded: Tensor, windows: Tensor, rows: slice, kernel: int, groups: int
) -> None:
    """Add the values of windows, (P, k * k, C / G), to what they cover."""
    width = padded.shape[1] - kernel + 1
    windows = windows.unflatten(0, (-1, width, groups))
    for entry in range(kernel * kernel):
        row, column = divmod(entry, kernel)
        covered = padded[rows.start + row : rows.stop + row]
        covered[:, column : column + width] += windows[..., entry, :].flatten(
            2
        )
