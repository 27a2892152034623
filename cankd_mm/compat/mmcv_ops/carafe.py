"""CARAFE: ``carafe_{forward,backward}`` and ``carafe_naive_*``.

Wang et al., "CARAFE: Content-Aware ReAssembly of FEatures",
https://arxiv.org/abs/1905.02188, equation 4. Every pixel of the upsampled map
is a weighted sum over the window around its source pixel, with weights of its
own; the map is 0 beyond its edge.

Legend: B batch, C channels, (H, W) size of the map, s scale, k size of the
window, G groups of channels that share their weights.
"""

from collections.abc import Iterator

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
    for image, weights, target in zip(features, masks, output, strict=True):
        result = _grouped(torch.zeros_like(target, dtype=image.dtype), *sizes)
        for pixels, weight in _terms(image, weights, *sizes):
            result.addcmul_(pixels, weight)
        target.copy_(result.view_as(target))


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
    radius = (kernel_size - 1) // 2
    height, width = features.shape[2:]
    for index, (grad, image, weights) in enumerate(
        zip(grads, features, masks, strict=True)
    ):
        grad = _grouped(grad, *sizes)
        padded = F.pad(torch.zeros_like(image), (radius,) * 4)
        by_weight = []
        for term, (pixels, weight) in enumerate(
            _terms(image, weights, *sizes)
        ):
            row, column = divmod(term, kernel_size)
            source = padded[:, row : row + height, column : column + width]
            source += (grad * weight).sum((3, 5)).view_as(source)
            by_weight.append((grad * pixels).sum(1))
        inside = slice(radius, -radius or None)
        grad_features[index].add_(padded[:, inside, inside])
        grad_masks[index].add_(
            torch.stack(by_weight, 1).view_as(grad_masks[index])
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


def _grouped(upsampled: Tensor, kernel, groups, scale) -> Tensor:
    """View (C, s * H, s * W) as (G, C / G, H, s, W, s)."""
    return (
        upsampled.unflatten(0, (groups, -1))
        .unflatten(2, (-1, scale))
        .unflatten(4, (-1, scale))
    )


def _terms(
    image: Tensor, weights: Tensor, kernel, groups, scale
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the factors of each term of the sum, row by row of the window.

    They broadcast to (G, C / G, H, s, W, s).
    """
    height, width = image.shape[1:]
    padded = F.pad(image, ((kernel - 1) // 2,) * 4)
    weights = (
        weights.unflatten(0, (groups, kernel * kernel))
        .unflatten(2, (-1, scale))
        .unflatten(4, (-1, scale))
    )
    for row in range(kernel):
        for column in range(kernel):
            pixels = padded[:, row : row + height, column : column + width]
            pixels = pixels.unflatten(0, (groups, -1))
            yield (
                pixels[:, :, :, None, :, None],
                weights[:, row * kernel + column, None],
            )
