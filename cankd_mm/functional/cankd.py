"""Mathematics of CanKD, cross-attention-based non-local distillation.

Shapes: B images, C channels, d embedding channels, H x W positions; M query
and K key positions.
"""

import torch
from torch import Tensor

from cankd_mm.functional.chunks import channel_chunks
from cankd_mm.functional.first_derivatives import first_derivatives_only
from cankd_mm.functional.normalised import (
    error_gradient,
    normalise,
    squared_errors,
)
from cankd_mm.utils.levels import check_not_empty, full_type


def non_local_dot_product(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    r"""Non-local operation with dot-product similarity and no softmax.

    .. math::
        y_m = \frac{1}{K} \sum_{k=1}^{K} (q_m^T p_k) v_k

    The product is bilinear, so :math:`v (p^T q) = (v p^T) q`. The left order
    costs :math:`2 d M K` multiplications and forms an M x K matrix, the right
    one :math:`d^2 (M + K)` and a d x d matrix; the cheaper one is chosen. On
    all but the smallest feature maps it is the right one.

    Args:
        query: Embedded positions that ask.
        key: Embedded positions that are asked.
        value: What each key position contributes.

    Returns:
        One sum for each query position.

    Shape:
        - query: :math:`(B, d, M)`
        - key, value: :math:`(B, d, K)`
        - output: :math:`(B, d, M)`

    Raises:
        ValueError: The three shapes do not fit, or there are no keys.

    Source: CanKD (arXiv 2511.21503), the equation of z_i; the order of the
    products is our completion. K is counted after any pooling of the keys, as
    in the authors' code.
    """
    if (
        query.dim() != 3
        or key.shape != value.shape
        or query.shape[:2] != key.shape[:2]
    ):
        raise ValueError(
            'expected `query` (B, d, M) and `key`, `value` (B, d, K), found '
            f'{tuple(query.shape)}, {tuple(key.shape)} and '
            f'{tuple(value.shape)}'
        )
    check_not_empty(key, 'key')
    channels, num_queries = query.shape[1:]
    num_keys = key.size(2)
    # Before the products: sums over thousands of keys would overflow float16.
    value = value / num_keys
    if 2 * num_queries * num_keys < channels * (num_queries + num_keys):
        return value @ (key.transpose(1, 2) @ query)
    return (value @ key.transpose(1, 2)) @ query


def instance_norm_mse(
    student: Tensor, teacher: Tensor, eps: float = 1e-5
) -> Tensor:
    r"""Mean squared error between two instance-normalised feature maps.

    .. math::
        \frac{1}{BCHW} \sum_{b,c,p} \left(
        \frac{s_{bcp} - \mu(s_{bc})}{\sqrt{\sigma^2(s_{bc}) + \epsilon}} -
        \frac{t_{bcp} - \mu(t_{bc})}{\sqrt{\sigma^2(t_{bc}) + \epsilon}}
        \right)^2

    Mean and biased variance are those of one channel of one image. But for
    ``eps`` this is :math:`2 - 2 \bar\rho`, with :math:`\bar\rho` the mean
    Pearson correlation of the channels.

    Args:
        student: Student's feature map.
        teacher: Teacher's feature map.
        eps: Added to the variances. Defaults to 1e-5.

    Returns:
        A scalar, of float32 for maps of a lower precision. Only the two maps
        are kept for the backward pass, which has first derivatives only.

    Shape:
        - student, teacher: :math:`(B, C, H, W)`, more than one position
        - output: scalar

    Raises:
        ValueError: The shapes differ, the maps are empty, or a channel has
            one position only.
        RuntimeError: A second derivative is asked for.

    Source: CanKD (arXiv 2511.21503), L_feat with the instance norm of the
    authors' code, which halves the mean; here it is not halved.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            'expected `student` and `teacher` of one shape, found '
            f'{tuple(student.shape)} and {tuple(teacher.shape)}'
        )
    if student.dim() < 3 or student.shape[2:].numel() < 2:
        raise ValueError(
            'expected `student` and `teacher` of shape (B, C, H, W) with more '
            f'than one position each, found {tuple(student.shape)}: a single '
            'position normalises to zero'
        )
    check_not_empty(student, 'student')
    return _InstanceNormMSE.apply(student, teacher, eps)


def instance_norm_mse_of_moments(
    variance: Tensor,
    covariance: Tensor,
    teacher_variance: Tensor,
    eps: float = 1e-5,
) -> Tensor:
    """:func:`instance_norm_mse` of two maps of which the moments are known.

    Args:
        variance: Of each channel of the student, biased.
        covariance: Of each channel with the same of the teacher, biased.
        teacher_variance: Of each channel of the teacher, biased.
        eps: Added to the variances. Defaults to 1e-5.

    Returns:
        A scalar.

    Shape:
        - variance, covariance, teacher_variance: :math:`(B, C)`
        - output: scalar
    """
    scale = (variance + eps).rsqrt()
    teacher_scale = (teacher_variance + eps).rsqrt()
    return (
        variance * scale.square()
        + teacher_variance * teacher_scale.square()
        - 2 * covariance * scale * teacher_scale
    ).mean()


class _InstanceNormMSE(torch.autograd.Function):
    """Keeps both maps and nothing else; makes every chunk of norms anew."""

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(student, teacher)
        ctx.eps = eps
        pairs = _normalised_chunks(student, teacher, eps)
        total = sum(squared_errors(*pair).sum() for _, *pair in pairs)
        return total / student.shape[:2].numel()

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        maps = ctx.saved_tensors
        grads = [
            torch.empty_like(x.flatten(2)) if wanted else None
            for x, wanted in zip(maps, ctx.needs_input_grad, strict=False)
        ]
        factor = 2 * grad_output / maps[0].numel()
        for part, *pair in _normalised_chunks(*maps, ctx.eps):
            errors = squared_errors(*pair)
            for grad in grads:
                if grad is not None:
                    grad[:, part] = factor * error_gradient(*pair, errors)
                pair.reverse()
        return *(
            None if grad is None else grad.view_as(x)
            for grad, x in zip(grads, maps, strict=True)
        ), None


def _normalised_chunks(student: Tensor, teacher: Tensor, eps: float):
    """Yields slices of channels and both maps, normalised in these."""
    dtype = full_type(student, teacher)
    student, teacher = student.flatten(2), teacher.flatten(2)
    for part in channel_chunks(student):
        chunks = (x[:, part].to(dtype) for x in (student, teacher))
        yield part, *(normalise(x, eps) for x in chunks)
