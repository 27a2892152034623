"""Second moments of two feature maps over their positions.

Shapes: B images, C channels, M positions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cankd_mm.functional.chunks import position_chunks
from cankd_mm.functional.first_derivatives import first_derivatives_only


class Covariances(NamedTuple):
    """Moments over the positions of each image, biased.

    Attributes:
        mean: Of the student.
        student: Student's channels with each other.
        cross: Teacher's channels (rows) with the student's.
        teacher_variance: Teacher's channels, each with itself.

    Shape:
        - mean: :math:`(B, C)`
        - student, cross: :math:`(B, C, C)`
        - teacher_variance: :math:`(B, C)`
    """

    mean: Tensor
    student: Tensor
    cross: Tensor
    teacher_variance: Tensor


def covariances(
    student: Tensor, teacher: Tensor, dtype: torch.dtype
) -> Covariances:
    """Computes them in one pass, with nothing kept but the two maps.

    Whatever is linear in the student's map has its moments in these: with
    many more positions than channels, products of small matrices stand for
    passes over the maps.

    Args:
        student: Student's feature map.
        teacher: Teacher's feature map, a constant: it gets no gradient.
        dtype: Type of the computation and of the results.

    Shape:
        - student, teacher: :math:`(B, C, M)`

    Raises:
        RuntimeError: A second derivative is asked for.
    """
    return Covariances(*_Covariances.apply(student, teacher, dtype))


class _Covariances(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor, dtype: torch.dtype):
        batch, channels, positions = student.shape
        means = [
            x.mean(2, keepdim=True, dtype=dtype) for x in (student, teacher)
        ]
        own = means[0].new_zeros(batch, channels, channels)
        cross = torch.zeros_like(own)
        variance = torch.zeros_like(means[0])
        for part in position_chunks(student):
            s, t = _centred((student, teacher), means, part)
            torch.baddbmm(own, s, s.mT, out=own)
            torch.baddbmm(cross, t, s.mT, out=cross)
            variance += torch.linalg.vector_norm(
                t, dim=2, keepdim=True
            ).square_()
        ctx.save_for_backward(student, teacher, *means)
        variance = (variance / positions).squeeze(2)
        ctx.mark_non_differentiable(variance)
        return (
            means[0].squeeze(2),
            own / positions,
            cross / positions,
            variance,
        )

    @staticmethod
    @first_derivatives_only
    def backward(ctx, grad_mean, grad_own, grad_cross, _):
        student, teacher, *means = ctx.saved_tensors
        positions = student.size(2)
        own = (grad_own + grad_own.mT) / positions
        cross = grad_cross.mT / positions
        offset = grad_mean[..., None] / positions
        grad = own.new_empty(student.shape)
        for part in position_chunks(student):
            s, t = _centred((student, teacher), means, part)
            out = grad[..., part]
            torch.baddbmm(offset, own, s, out=out)
            torch.baddbmm(out, cross, t, out=out)
        return grad.to(student.dtype), None, None


def _centred(
    maps: tuple[Tensor, ...], means: list[Tensor], part: slice
) -> Iterator[Tensor]:
    """Chunks around the means: products of large ones would hide the rest."""
    return (
        x[..., part].to(mean.dtype) - mean
        for x, mean in zip(maps, means, strict=True)
    )
