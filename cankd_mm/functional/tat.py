"""Mathematics of TaT, the target-aware transformer.

Shapes: B images, C channels, H x W positions; L tokens of d channels, which
attend to one another.
"""

from math import ceil, gcd

import torch.nn.functional as F
from torch import Tensor

from cankd_mm.functional.chunks import number_of_chunks
from cankd_mm.functional.window_mean import window_mean
from cankd_mm.utils.levels import check_not_empty

AXES = ('teacher', 'student')


def target_aware_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    axis: str = 'teacher',
    scale: float | None = 1.0,
) -> Tensor:
    r"""Re-arranges the student's tokens after the teacher's.

    With the student's queries q and values v and the teacher's keys k,

    .. math::
        y_i &= \sum_j \operatorname{softmax}_j(\lambda\, q_i^T k_j)\, v_j
        \quad \text{(axis 'teacher')} \\
        y_i &= \sum_n \operatorname{softmax}_n(\lambda\, k_i^T q_n)\, v_n
        \quad \text{(axis 'student')}

    One weighs the value at j by how much the student's i resembles the
    teacher's j, the other sums the student's values for each position of the
    teacher. Torch's fused attention computes either without keeping the
    L x L weights where it has a kernel for the device and the type.

    Args:
        query: The student's embedding.
        key: The teacher's, embedded or raw.
        value: The student's embedding of what is re-arranged.
        axis: Whose positions the softmax runs over. 'teacher' is the authors'
            code, 'student' the paper's equations. Defaults to 'teacher'.
        scale: Factor on the similarities, None for 1/sqrt(d). Defaults to
            1.0, as in the authors' code.

    Returns:
        The re-arranged tokens of the student.

    Shape:
        - query, key, value: :math:`(..., L, d)`
        - output: :math:`(..., L, d)`

    Raises:
        ValueError: The shapes differ, or the axis is unknown.

    Source: TaT (arXiv 2205.10793), equations 1 to 3.
    """
    if axis not in AXES:
        raise ValueError(f'`axis` must be one of {AXES}, found {axis!r}')
    if query.dim() < 2 or not query.shape == key.shape == value.shape:
        raise ValueError(
            'expected `query`, `key` and `value` of one shape (..., L, d), '
            f'found {tuple(query.shape)}, {tuple(key.shape)} and '
            f'{tuple(value.shape)}'
        )
    asking, asked = (query, key) if axis == 'teacher' else (key, query)
    # Transposed views would fall back to the form that keeps the weights.
    return F.scaled_dot_product_attention(
        asking.contiguous(),
        asked.contiguous(),
        value.contiguous(),
        scale=scale,
    )


def patch_groups(
    x: Tensor, patch_size: tuple[int, int], patches_per_group: int = 1
) -> Tensor:
    """Cuts a map into patches and stacks neighbours into groups.

    Patches are numbered by rows and groups take ``patches_per_group`` of them
    in that order. A token is an offset inside the patch; it holds the
    channels of every patch of its group at that offset, patch by patch. So
    attention over tokens stays inside a patch, and the patches of a group
    share its weights.

    A patch is no larger than the map. Rows and columns beyond the last whole
    patch are left out, as in the authors' code. A last group that is not full
    is filled with zeros, which change no similarity.

    Args:
        x: A feature map.
        patch_size: Height and width of a patch, in positions.
        patches_per_group: Patches that share one softmax. Defaults to 1.

    Returns:
        The tokens of each group, contiguous.

    Shape:
        - x: :math:`(B, C, H, W)`
        - output: :math:`(B, groups, L, p C)`, with p patches per group,
          L = patch height times width and as many groups as it takes

    Raises:
        ValueError: ``x`` has other than four dimensions, or is empty.

    Source: TaT (arXiv 2205.10793), equation 5; the fill is our completion.
    """
    height, width = _fitting('patch_size', patch_size, x)
    rows, columns = patch_grid(x, patch_size)
    patches = (
        x[:, :, : rows * height, : columns * width]
        .unflatten(3, (columns, width))
        .unflatten(2, (rows, height))
        .permute(0, 2, 4, 3, 5, 1)  # image, row, column, offset, channel
        .flatten(3, 4)
        .flatten(1, 2)
    )
    lacking = -patches.size(1) % patches_per_group
    if lacking:
        patches = F.pad(patches, (0, 0, 0, 0, 0, lacking))
    groups = patches.unflatten(1, (-1, patches_per_group))
    return groups.transpose(2, 3).flatten(3).contiguous()


def patch_grid(x: Tensor, patch_size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the whole patches of a map.

    Args:
        x: A feature map.
        patch_size: Height and width of a patch, in positions.

    Shape:
        - x: :math:`(B, C, H, W)`

    Raises:
        ValueError: ``x`` has other than four dimensions, or is empty.
    """
    height, width = _fitting('patch_size', patch_size, x)
    return x.size(2) // height, x.size(3) // width


def patch_strips(
    x: Tensor, patch_size: tuple[int, int], patches_per_group: int = 1
) -> list[int]:
    """Cuts a large map between groups of patches, from top to bottom.

    No group attends to another: attention in strips is that in the map.

    Args:
        x: A feature map.
        patch_size: Height and width of a patch, in positions.
        patches_per_group: Patches that share one softmax. Defaults to 1.

    Returns:
        The heights of the strips; that of the map alone where it is small, or
        where every cut would go through a group.

    Shape:
        - x: :math:`(B, C, H, W)`

    Raises:
        ValueError: ``x`` has other than four dimensions, or is empty.
    """
    height, _ = _fitting('patch_size', patch_size, x)
    rows, columns = patch_grid(x, patch_size)
    whole = patches_per_group // gcd(patches_per_group, columns)
    step = ceil(rows / number_of_chunks(x) / whole) * whole
    above = (ceil(rows / step) - 1) * [step * height]
    return [*above, x.size(2) - sum(above)]


def anchor_points(x: Tensor, stride: tuple[int, int]) -> Tensor:
    """Averages a map over windows, one token each.

    A window is no larger than the map. Rows and columns beyond the last whole
    window are left out. Stride (1, 1) makes a token of every position.

    Args:
        x: A feature map.
        stride: Height and width of a window, in positions.

    Returns:
        One group of tokens, contiguous.

    Shape:
        - x: :math:`(B, C, H, W)`
        - output: :math:`(B, 1, L, C)`

    Raises:
        ValueError: ``x`` has other than four dimensions, or is empty.

    Source: TaT (arXiv 2205.10793), equation 6.
    """
    stride = _fitting('stride', stride, x)
    return (
        window_mean(x, stride)
        .flatten(2)
        .transpose(1, 2)
        .unsqueeze(1)
        .contiguous()
    )


def _fitting(name: str, size: tuple[int, int], x: Tensor) -> tuple[int, int]:
    """The window, or the map's height and width where these are smaller."""
    if x.dim() != 4:
        raise ValueError(
            f'expected `x` of shape (B, C, H, W), found {tuple(x.shape)}'
        )
    check_not_empty(x, 'x')
    if min(size) < 1:
        raise ValueError(
            f'`{name}` must be at least 1 in height and width, found '
            f'{tuple(size)}'
        )
    return min(size[0], x.size(2)), min(size[1], x.size(3))
