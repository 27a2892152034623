"""CanKD's loss behind the attention: branch, BatchNorm, skip and comparison.

Shapes: B images, C channels, d embedding channels, M positions.
"""

import torch
from torch import Tensor

from cankd_mm.functional.chunks import channel_chunks
from cankd_mm.functional.first_derivatives import first_derivatives_only
from cankd_mm.functional.normalised import (
    error_gradient,
    mean_square,
    normalise,
    squared_errors,
)


def residual_error(
    student: Tensor,
    teacher: Tensor,
    query: tuple[Tensor, Tensor],
    mixing: Tensor,
    gain: Tensor,
    norm_eps: float = 1e-5,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Mean squared error of a student with a normalised linear branch.

    .. math::
        \operatorname{mean} \left(IN(s + \gamma\, BN(A q)) - IN(t)\right)^2,
        \quad q = \Theta s + \theta

    BN is a BatchNorm on the batch's statistics, without affine part. An
    offset of the branch, in BN or in front of it, would change nothing.
    Nothing of the size of a map is kept for the backward pass but q, and
    nothing is made there but the student's gradient.

    Args:
        student: Student's feature map s.
        teacher: Teacher's feature map t, a constant.
        query: Weight and bias of the query.
        mixing: A, one for each image. Its type is that of the computation.
        gain: gamma.
        norm_eps: Added to BN's variances. Defaults to 1e-5.
        eps: Added to the instance norms' variances. Defaults to 1e-5.

    Returns:
        The error, and mean and biased variance of A q in the batch, which
        have no gradient.

    Shape:
        - student, teacher: :math:`(B, C, M)`
        - query: :math:`(d, C)` and :math:`(d)`
        - mixing: :math:`(B, C, d)`
        - gain: :math:`(C)`
        - output: scalar, :math:`(C)`, :math:`(C)`
    """
    return _ResidualError.apply(
        student, teacher, *query, mixing, gain, norm_eps, eps
    )


class _ResidualError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, student, teacher, weight, bias, mixing, gain, norm_eps, eps
    ):
        query = _projected(student, weight, bias)
        ctx.save_for_backward(student, teacher, weight, query, mixing, gain)
        ctx.eps = norm_eps, eps
        total = mixing.new_zeros(())
        mean, variance = torch.empty_like(gain), torch.empty_like(gain)
        for part in channel_chunks(student):
            branch, mean[part], variance[part] = _branch(
                mixing[:, part], query
            )
            scale = gain[part] * (variance[part] + norm_eps).rsqrt()
            total += squared_errors(
                *_normalised(student, teacher, branch, scale, part, eps)
            ).sum()
        ctx.mark_non_differentiable(mean, variance)
        return total / mean.numel() / student.size(0), mean, variance

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_output, *_):
        student, teacher, weight, query, mixing, gain = ctx.saved_tensors
        norm_eps, eps = ctx.eps
        grad_output = 2 * grad_output / student.numel()
        grad_student = torch.empty_like(student, dtype=mixing.dtype)
        grad_query = torch.zeros_like(query)
        grad_mixing = torch.empty_like(mixing)
        grad_gain = torch.empty_like(gain)
        for part in channel_chunks(student):
            branch, _, variance = _branch(mixing[:, part], query)
            inverse = (variance + norm_eps).rsqrt()
            ours, theirs = _normalised(
                student, teacher, branch, gain[part] * inverse, part, eps
            )
            grad = error_gradient(ours, theirs, squared_errors(ours, theirs))
            grad *= grad_output
            grad_student[:, part] = grad
            inner = torch.einsum('bcm,bcm->c', grad, branch)
            grad_gain[part] = inner * inverse
            # Through the batch's mean, which is 0 here, and variance.
            share = inner * inverse.square() / (branch.numel() / inner.numel())
            grad.addcmul_(branch, share[:, None], value=-1)
            grad *= (gain[part] * inverse)[:, None]
            grad_mixing[:, part] = grad @ query.transpose(1, 2)
            torch.baddbmm(
                grad_query,
                mixing[:, part].transpose(1, 2),
                grad,
                out=grad_query,
            )
        grad_weight = torch.zeros_like(weight)
        for x, image, grad in zip(
            student, grad_query, grad_student, strict=True
        ):
            x = x.to(weight.dtype)
            torch.addmm(grad_weight, image, x.T, out=grad_weight)
            torch.addmm(grad, weight.T, image, out=grad)
        return (
            grad_student.to(student.dtype),
            None,
            grad_weight,
            grad_query.sum((0, 2)),
            grad_mixing,
            grad_gain,
            None,
            None,
        )


def _projected(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A projection of each position, in the type of its weight."""
    output = weight.new_empty(x.size(0), weight.size(0), x.size(2))
    for image, row in zip(x, output, strict=True):
        torch.addmm(bias[:, None], weight, image.to(weight.dtype), out=row)
    return output


def _branch(mixing: Tensor, query: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A chunk of A q around its mean in the batch, that mean, its variance."""
    branch = mixing @ query
    mean = branch.mean((0, 2))
    branch -= mean[:, None]
    return branch, mean, mean_square(branch, (0, 2)).flatten()


def _normalised(student, teacher, branch, scale, part, eps):
    """Student with branch and teacher, a chunk of each, normalised."""
    first = torch.addcmul(
        student[:, part].to(branch.dtype), branch, scale[:, None]
    )
    second = teacher[:, part].to(branch.dtype)
    return normalise(first, eps), normalise(second, eps)
