"""Mathematics of CSKD, cumulative spatial knowledge distillation.

Shapes: B images, D channels, K classes, A anchors a position, h x w
positions; g x g' the grid on which student and teacher are compared.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cankd_mm.functional.window_mean import window_mean
from cankd_mm.utils.levels import check_not_empty

_SCHEDULES: dict[str, Callable[[float], float]] = {
    'linear': lambda progress: 1 - progress,
    'quadratic': lambda progress: (1 - progress) ** 2,
    # cos(pi progress / 2), written so that it ends at exactly 0.
    'cosine': lambda progress: math.sin(math.pi * (1 - progress) / 2),
    'constant': lambda progress: 1.0,
}
SCHEDULES = tuple(_SCHEDULES)


def schedule_weight(progress: float, schedule: str = 'linear') -> float:
    r"""Weight of the local responses, which falls from 1 to 0.

    .. math::
        \alpha_{linear} = 1 - r, \quad
        \alpha_{quadratic} = (1 - r)^2, \quad
        \alpha_{cosine} = \cos(\pi r / 2)

    Args:
        progress: Share r of the training that is over, in [0, 1].
        schedule: 'linear', 'quadratic', 'cosine' or, to leave the schedule
            out, 'constant'. Defaults to 'linear'.

    Returns:
        The weight alpha.

    Raises:
        ValueError: An argument is out of range.

    Source: CSKD (ICCV 2023), the authors' code, where r counts epochs and
    the names are linear, x2 and cos; 'constant' is our completion.
    """
    if schedule not in _SCHEDULES:
        raise ValueError(
            f'`schedule` must be one of {SCHEDULES}, found {schedule!r}'
        )
    if not 0 <= progress <= 1:
        raise ValueError(f'`progress` must lie in [0, 1], found {progress}')
    return _SCHEDULES[schedule](progress)


def dense_logits(
    feature: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    r"""Applies an image classifier at every position.

    .. math:: T_{bkp} = \sum_d w_{kd} f_{bdp} + b_k

    Where the classifier is a mean over positions and one linear layer, the
    mean of the result over positions is what the classifier says of the image.

    Args:
        feature: Last feature map, or patch tokens as a map.
        weight: Weight of the linear layer.
        bias: Its bias. Defaults to None.

    Returns:
        Class logits at every position.

    Shape:
        - feature: :math:`(B, D, h, w)`
        - weight: :math:`(K, D)`
        - bias: :math:`(K)`
        - output: :math:`(B, K, h, w)`

    Raises:
        ValueError: The feature is empty.

    Source: CSKD (ICCV 2023), the teacher's dense predictions and the
    student's patch predictions.
    """
    check_not_empty(feature, 'feature')
    return F.conv2d(feature, weight[:, :, None, None], bias)


def cumulative_fusion(
    local_logits: Tensor,
    progress: float,
    schedule: str = 'linear',
    global_logits: Tensor | None = None,
) -> Tensor:
    r"""Cumulative knowledge fusion: from local responses to the global one.

    .. math:: Q_p = \alpha(r) T_p + (1 - \alpha(r)) g

    Args:
        local_logits: The teacher's responses T at every position.
        progress: Share r of the training that is over, in [0, 1].
        schedule: As in :func:`schedule_weight`. Defaults to 'linear'.
        global_logits: The teacher's response g to the image. Defaults to
            None: the mean of T over positions.

    Returns:
        The fused responses Q.

    Shape:
        - local_logits: :math:`(B, K, h, w)`
        - global_logits: :math:`(B, K, 1, 1)`
        - output: :math:`(B, K, h, w)`

    Raises:
        ValueError: An argument is out of range.

    Source: CSKD (ICCV 2023), the authors' code.
    """
    alpha = schedule_weight(progress, schedule)
    if local_logits.dim() != 4:
        raise ValueError(
            'expected `local_logits` (B, K, h, w), found '
            f'{tuple(local_logits.shape)}'
        )
    if global_logits is None:
        global_logits = local_logits.mean((2, 3), keepdim=True)
    return torch.lerp(global_logits, local_logits, alpha)


def softmax_divergence(
    student: Tensor,
    target: Tensor,
    hard: bool = True,
    temperature: float = 1.0,
) -> Tensor:
    r"""How far the student's class is from the target's, at each position.

    Cross-entropy with the target's strongest class, or

    .. math:: \tau^2 KL(softmax(Q / \tau) \| softmax(S / \tau))

    Args:
        student: The student's logits S.
        target: The logits Q it should have.
        hard: The strongest class alone, or all of them. Defaults to True.
        temperature: tau of the soft form. Defaults to 1.0.

    Shape:
        - student, target: :math:`(B, K, h, w)`
        - output: :math:`(B, h, w)`

    Source: CSKD (ICCV 2023), the authors' code; its soft form is summed over
    the positions, which we leave to the caller.
    """
    if hard:
        return F.cross_entropy(student, target.argmax(1), reduction='none')
    kl = F.kl_div(
        F.log_softmax(student / temperature, 1),
        F.log_softmax(target / temperature, 1),
        reduction='none',
        log_target=True,
    )
    return temperature**2 * kl.sum(1)


def sigmoid_divergence(
    student: Tensor,
    target: Tensor,
    hard: bool = True,
    temperature: float = 1.0,
) -> Tensor:
    r"""How far the student's classes are from the target's, each on its own.

    Binary cross-entropy with what the target holds for present, or

    .. math:: \tau^2 \sum_k KL(q_k \| \sigma(S_k / \tau))

    Args:
        student: The student's logits S.
        target: Probabilities q; of the soft form at temperature tau.
        hard: Whether a class with q > 0.5 is present and all others are
            absent. Defaults to True.
        temperature: tau of the soft form. Defaults to 1.0.

    Shape:
        - student, target: :math:`(B, K, h, w)`
        - output: :math:`(B, h, w)`

    Source: our completion.
    """
    if hard:
        temperature = 1.0
        target = (target > 0.5).to(student)
    cross_entropy = F.binary_cross_entropy_with_logits(
        student / temperature, target, reduction='none'
    )
    entropy = torch.special.entr(target) + torch.special.entr(1 - target)
    return temperature**2 * (cross_entropy - entropy).sum(1)


def common_grid(
    student: Sequence[Tensor], teacher: Sequence[Tensor]
) -> tuple[int, int]:
    """The coarser of the student's and the teacher's finest grid.

    Args:
        student: Its maps, one for each level.
        teacher: Its maps, one for each level.

    Returns:
        Height and width.

    Shape:
        - student, teacher: :math:`(B, C, h, w)` each

    Source: CSKD (ICCV 2023) pools the student's 14 x 14 patches to the
    teacher's 7 x 7; the rest is our completion.
    """
    height, width = (
        min(max(x.size(dim) for x in maps) for maps in (student, teacher))
        for dim in (2, 3)
    )
    return height, width


def average_to_grid(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean of the positions that each cell of a coarser grid covers.

    Shape:
        - x: :math:`(B, C, h, w)`
        - output: :math:`(B, C, g, g')`
    """
    height, width = x.shape[2:]
    if height % grid[0] or width % grid[1]:
        return F.adaptive_avg_pool2d(x, grid)
    # The same, faster, and deterministic on a GPU.
    return window_mean(x, (height // grid[0], width // grid[1]))


def class_presence(
    levels: Sequence[Tensor], num_classes: int, grid: tuple[int, int]
) -> Tensor:
    """Strongest logit of each class over anchors, levels and a cell's area.

    A level that is coarser than the grid counts in every cell it covers.

    Args:
        levels: Logits with the anchors' classes one after the other, as
            MMDetection's dense heads have them.
        num_classes: Number K of classes.
        grid: Height and width of the result.

    Shape:
        - levels: :math:`(B, A K, h, w)` each
        - output: :math:`(B, K, g, g')`

    Source: our completion.
    """
    pooled = [
        F.adaptive_max_pool2d(
            level.unflatten(1, (-1, num_classes)).amax(1), grid
        )
        for level in levels
    ]
    return torch.stack(pooled).amax(0)


def valid_cells(
    labels: Tensor, grid: tuple[int, int], ignore_index: int = 255
) -> Tensor:
    """Cells of which at most half of the ground truth is to be ignored.

    Args:
        labels: Class indices.
        grid: Height and width of the result.
        ignore_index: Label of ignored pixels. Defaults to 255.

    Shape:
        - labels: :math:`(B, H, W)`
        - output: :math:`(B, g, g')`, of booleans

    Source: our completion.
    """
    known = (labels != ignore_index).float().unsqueeze(1)
    return average_to_grid(known, grid).squeeze(1) >= 0.5


def masked_mean(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean over the valid positions of the whole batch; 0 without any.

    Args:
        x: Values.
        valid: Which of them count. Defaults to None, all.

    Shape:
        - x, valid: :math:`(B, h, w)`
        - output: scalar
    """
    if valid is None:
        return x.mean()
    return x.where(valid, 0).sum() / valid.sum().clamp(min=1)


def average_image(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of each image over its valid positions; 0 without any.

    Args:
        x: Maps of values.
        valid: Which positions count. Defaults to None, all.

    Shape:
        - x: :math:`(B, K, h, w)`
        - valid: :math:`(B, h, w)`
        - output: :math:`(B, K, 1, 1)`
    """
    if valid is None:
        return x.mean((2, 3), keepdim=True)
    valid = valid.unsqueeze(1)
    count = valid.sum((2, 3), keepdim=True).clamp(min=1)
    return x.where(valid, 0).sum((2, 3), keepdim=True) / count


def strongest_in_image(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Maximum of each image over its valid positions; 0 without any.

    Args:
        x: Maps of values.
        valid: Which positions count. Defaults to None, all.

    Shape:
        - x: :math:`(B, K, h, w)`
        - valid: :math:`(B, h, w)`
        - output: :math:`(B, K, 1, 1)`
    """
    if valid is None:
        return x.amax((2, 3), keepdim=True)
    valid = valid.unsqueeze(1)
    lowest = torch.finfo(x.dtype).min
    strongest = x.where(valid, lowest).amax((2, 3), keepdim=True)
    return strongest.where(valid.any(3, True).any(2, True), 0)
