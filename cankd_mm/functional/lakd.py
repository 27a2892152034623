"""Mathematics of LAKD: non-directional activation maps, local features.

Shapes: B images, C channels, H x W positions, g_h x g_w cells of a coarse
grid. S and T stand for student and teacher.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.functional.channel_sums import (
    absolute_sum,
    channel_sums,
    squared_distance,
)
from cankd_mm.utils.levels import check_not_empty, full_type

# A map whose norm is below this is not blown up to norm 1.
_EPS = 1e-6


def coarse_activation(
    feature: Tensor,
    grid: tuple[int, int],
    avg_weight: float = 0.5,
    max_weight: float = 0.5,
) -> Tensor:
    r"""Where a feature map is active, on a coarse grid and without classes.

    .. math::
        W = a \operatorname{avgpool}(m) + b \operatorname{maxpool}(m), \quad
        m = \sum_c |F_c|

    Args:
        feature: A feature map.
        grid: Cells of the result, high and wide.
        avg_weight: The weight a of average pooling. Defaults to 0.5.
        max_weight: The weight b of max pooling. Defaults to 0.5.

    Returns:
        An activation of at least 0 for each cell.

    Shape:
        - feature: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, g_h, g_w)`

    Raises:
        ValueError: The feature is no map, or is empty.

    Source: the published equation of LAKD (arXiv 2408.11478), which we have
    at second hand; absolute values and adaptive pooling are our completion.
    The absolute value changes nothing behind a ReLU and keeps features of
    either sign from cancelling.
    """
    if feature.dim() != 4:
        raise ValueError(
            '`feature` must have shape (B, C, H, W), found '
            f'{tuple(feature.shape)}: bring tokens or vectors to a map with '
            'a connector'
        )
    check_not_empty(feature, 'feature')
    return _pooled(absolute_sum(feature), grid, avg_weight, max_weight)


def activation_map(
    feature: Tensor,
    grid: tuple[int, int],
    avg_weight: float = 0.5,
    max_weight: float = 0.5,
) -> Tensor:
    """Non-directional activation map: :func:`coarse_activation` of norm 1.

    Args:
        feature: A feature map.
        grid: Cells of the map, high and wide.
        avg_weight: Weight of average pooling. Defaults to 0.5.
        max_weight: Weight of max pooling. Defaults to 0.5.

    Returns:
        One non-negative vector of L2 norm 1 for each image; 0 for an image
        without any activation.

    Shape:
        - feature: :math:`(B, C, H, W)`
        - output: :math:`(B, g_h g_w)`

    Raises:
        ValueError: The feature is no map, or is empty.

    Source: LAKD (arXiv 2408.11478); the norm is our completion. Without it
    the map would grow with the number of channels.
    """
    return _unit(coarse_activation(feature, grid, avg_weight, max_weight))


def coarse_grid(student: Tensor, teacher: Tensor) -> tuple[int, int]:
    """Grid on which two feature maps are compared: half the coarser one.

    Args:
        student: A feature map.
        teacher: A feature map.

    Returns:
        Cells high and wide, at least 2 each.

    Shape:
        - student, teacher: :math:`(B, C, H, W)`, of any two grids

    Source: our completion. "Coarse" asks for windows of several positions.
    """
    height, width = common_grid(student, teacher)
    return max(height // 2, 2), max(width // 2, 2)


def common_grid(student: Tensor, teacher: Tensor) -> tuple[int, int]:
    """The smaller height and the smaller width of two feature maps.

    Args:
        student: A feature map.
        teacher: A feature map.

    Shape:
        - student, teacher: :math:`(B, C, H, W)`, of any two grids
    """
    (h_s, w_s), (h_t, w_t) = student.shape[-2:], teacher.shape[-2:]
    return min(h_s, h_t), min(w_s, w_t)


def attention_loss(
    student: Tensor,
    teacher: Tensor,
    avg_weight: float = 0.5,
    max_weight: float = 0.5,
) -> Tensor:
    r"""Squared distance of two activation maps, the mean over images.

    .. math::
        \frac{1}{B} \sum_b \lVert W(S_b) - W(T_b) \rVert^2
        = \frac{1}{B} \sum_b (2 - 2 \cos(W(S_b), W(T_b)))

    It lies in [0, 2] on any grid: both maps are non-negative unit vectors.

    Args:
        student: A feature map.
        teacher: A feature map of any number of channels and any grid.
        avg_weight: Weight of average pooling. Defaults to 0.5.
        max_weight: Weight of max pooling. Defaults to 0.5.

    Returns:
        A scalar.

    Shape:
        - student: :math:`(B, C_S, H_S, W_S)`
        - teacher: :math:`(B, C_T, H_T, W_T)`
        - output: scalar

    Source: LAKD (arXiv 2408.11478) names an attention loss whose formula we
    do not know; this one is our completion.
    """
    grid = coarse_grid(student, teacher)
    ours = activation_map(student, grid, avg_weight, max_weight)
    theirs = activation_map(teacher, grid, avg_weight, max_weight)
    return _squared_error(ours, theirs)


def spatial_weights(
    teacher: Tensor,
    grid: tuple[int, int],
    avg_weight: float = 0.5,
    max_weight: float = 0.5,
) -> Tensor:
    """The coarse activation as weights of the positions of another grid.

    Args:
        teacher: A feature map.
        grid: The grid that is weighted.
        avg_weight: Weight of average pooling. Defaults to 0.5.
        max_weight: Weight of max pooling. Defaults to 0.5.

    Returns:
        Weights of mean 1 in each image; 0 for one without any activation.

    Shape:
        - teacher: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, *grid)`

    Source: our completion, a second reading of "weighting feature maps".
    """
    cells = tuple(max(side // 2, 2) for side in grid)
    coarse = coarse_activation(teacher, cells, avg_weight, max_weight)
    fine = F.interpolate(
        coarse, size=grid, mode='bilinear', align_corners=False
    )
    return fine / fine.mean((2, 3), keepdim=True).clamp_min(_EPS)


def feature_loss(
    student: Tensor, teacher: Tensor, weights: Tensor | None = None
) -> Tensor:
    r"""Mean squared error of two feature maps on the coarser grid.

    .. math::
        \operatorname{mean}_{b,c,p} w_{bp} (S_{bcp} - T_{bcp})^2

    The map on the finer grid is average-pooled first.

    Args:
        student: A feature map.
        teacher: A feature map with as many channels, on any grid.
        weights: A weight for each position of the coarser grid. Defaults to
            None, all 1.

    Returns:
        A scalar.

    Shape:
        - student: :math:`(B, C, H_S, W_S)`
        - teacher: :math:`(B, C, H_T, W_T)`
        - weights: :math:`(B, 1, \min(H_S, H_T), \min(W_S, W_T))`
        - output: scalar

    Raises:
        ValueError: The maps hold other images or channels.

    Source: LAKD (arXiv 2408.11478), L_lf; the mean over all elements and the
    pooling are our completion.
    """
    if student.dim() != 4 or student.shape[:2] != teacher.shape[:2]:
        raise ValueError(
            'expected `student` (B, C, H_S, W_S) and `teacher` '
            f'(B, C, H_T, W_T), found {tuple(student.shape)} and '
            f'{tuple(teacher.shape)}'
        )
    grid = common_grid(student, teacher)
    student, teacher = (
        x if x.shape[-2:] == grid else _averaged(x, grid)
        for x in (student, teacher)
    )
    return _mean(squared_distance(student, teacher), student, weights)


def feature_and_attention_loss(
    student: Tensor,
    projected: Tensor,
    teacher: Tensor,
    avg_weight: float = 0.5,
    max_weight: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Both terms of a local module.

    Where the student is compared as it is, on the teacher's grid, each pass
    reads it once and one gradient is written for both terms.

    Args:
        student: A feature map.
        projected: The same with the teacher's channels; the student itself
            where it has them.
        teacher: A feature map, on any grid.
        avg_weight: Weight of average pooling. Defaults to 0.5.
        max_weight: Weight of max pooling. Defaults to 0.5.

    Returns:
        :func:`feature_loss` of ``projected`` and :func:`attention_loss` of
        ``student``, two scalars.

    Shape:
        - student: :math:`(B, C_S, H_S, W_S)`
        - projected: :math:`(B, C_T, H_S, W_S)`
        - teacher: :math:`(B, C_T, H_T, W_T)`
    """
    mix = avg_weight, max_weight
    if projected is not student or student.shape != teacher.shape:
        return (
            feature_loss(projected, teacher),
            attention_loss(student, teacher, *mix),
        )
    grid = coarse_grid(student, teacher)
    *active, distance = channel_sums(student, teacher)
    ours, theirs = _unit(_pooled(torch.cat(active), grid, *mix)).chunk(2)
    return _mean(distance, student), _squared_error(ours, theirs)


def _pooled(
    active: Tensor, grid: tuple[int, int], avg_weight: float, max_weight: float
) -> Tensor:
    """Average and max pooling of a map of one channel, mixed."""
    average = F.adaptive_avg_pool2d(active, grid)
    return avg_weight * average + max_weight * F.adaptive_max_pool2d(
        active, grid
    )


def _unit(coarse: Tensor) -> Tensor:
    """One vector of norm 1 for each image."""
    return F.normalize(coarse.flatten(1), dim=1, eps=_EPS)


def _squared_error(ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared distance of two vectors, the mean over images."""
    return (ours - theirs).square().sum(1).mean()


def _averaged(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """A map on a coarser grid, in at least float32."""
    return F.adaptive_avg_pool2d(x.to(full_type(x)), grid)


def _mean(
    distance: Tensor, feature: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Weighted mean over a feature's elements from sums over its channels."""
    if weights is not None:
        distance = distance * weights
    return distance.mean() / feature.size(1)
