"""CanKD: the student attends to the teacher before both are compared."""

from collections.abc import Sequence

from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.losses.cross_non_local import CrossNonLocal
from cankd_mm.losses.finite_inputs import check_loss
from cankd_mm.losses.paired_levels import paired_levels
from cankd_mm.utils.arguments import check_count, check_flag, check_weight
from cankd_mm.utils.levels import check_pair, no_autocast

# The branch grows with the third power of the values, its variance with the
# sixth. From about here on the variance overflows float32, and an infinite one
# would normalize every map to zero.
LARGEST = 1e5


@MODELS.register_module()
class CanKDLoss(nn.Module):
    r"""Cross-attention-based non-local knowledge distillation.

    `CanKD: Cross-Attention-based Non-local operation for Feature-based
    Knowledge Distillation <https://arxiv.org/abs/2511.21503>`_, WACV 2026.

    .. math::
        L = \mu \sum_l \operatorname{mean}
        \left(IN(z^l) - IN(t^l)\right)^2, \quad
        z = s + BN\left(W\left(\frac{1}{K} g(t)
        \left(\phi(t)^T \theta(s)\right)\right)\right)

    IN is an instance norm without affine part, K the number of teacher
    positions after pooling, and each level has a block of its own. At the
    first step z = s, so the loss is that of the bare features. The authors'
    code halves the mean: its ``loss_weight=10`` is ``loss_weight=5`` here.

    It computes in the type of its parameters under autocast too: float32, or
    float64 after ``loss.double()``, which float64 features need. It sends no
    gradient to the teacher. The block's parameters train with the student and
    are of no use afterwards.

    Args:
        in_channels: Channels of the teacher's feature, and of the student's
            after any connector; the same on all levels.
        inter_channels: Channels of the embeddings. Defaults to None, half of
            ``in_channels``.
        num_levels: Number of feature levels. Of a longer tuple the first
            ``num_levels`` are used. Defaults to 1.
        sub_sample: Whether keys and values are max-pooled 2x2. Defaults to
            True.
        use_norm: Whether a BatchNorm, which starts at 0, ends the branch.
            Without it the last convolution starts at 0. Defaults to True.
        loss_weight: The paper's mu. Defaults to 5.0.

    Shape:
        - s_feature, t_feature: :math:`(B, C, H, W)` each, or tuples of them
        - output: scalar

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Examples:
        .. code-block:: python

            distiller = dict(
                type='ConfigurableDistiller',
                student_recorders=dict(
                    neck=dict(type='ModuleOutputs', source='neck')
                ),
                teacher_recorders=dict(
                    neck=dict(type='ModuleOutputs', source='neck')
                ),
                distill_losses=dict(
                    loss_cankd=dict(
                        type='CanKDLoss', in_channels=256, num_levels=4
                    )
                ),
                loss_forward_mappings=dict(
                    loss_cankd=dict(
                        s_feature=dict(from_student=True, recorder='neck'),
                        t_feature=dict(from_student=False, recorder='neck'),
                    )
                ),
            )
    """

    def __init__(
        self,
        in_channels: int,
        inter_channels: int | None = None,
        num_levels: int = 1,
        sub_sample: bool = True,
        use_norm: bool = True,
        loss_weight: float = 5.0,
    ) -> None:
        super().__init__()
        check_count('in_channels', in_channels)
        if inter_channels is None:
            inter_channels = max(in_channels // 2, 1)
        check_count('inter_channels', inter_channels)
        check_count('num_levels', num_levels)
        check_flag('sub_sample', sub_sample)
        check_flag('use_norm', use_norm)
        check_weight('loss_weight', loss_weight)
        self.in_channels = in_channels
        self.num_levels = num_levels
        self.sub_sample = sub_sample
        self.loss_weight = float(loss_weight)
        self.levels = nn.ModuleList(
            CrossNonLocal(in_channels, inter_channels, sub_sample, use_norm)
            for _ in range(num_levels)
        )

    def forward(
        self,
        s_feature: Tensor | Sequence[Tensor],
        t_feature: Tensor | Sequence[Tensor],
    ) -> Tensor:
        """Computes the loss, summed over the levels.

        Args:
            s_feature: The student's level, or levels.
            t_feature: The teacher's level, or levels; detached here.

        Returns:
            The weighted loss, a scalar.

        Raises:
            ValueError: There are too few levels, a level is empty, not of a
                floating point type or, on a CPU, not finite, or a pair of
                levels has shapes or devices that do not fit.
            TypeError: A level is not a tensor, or of a wider type than the
                parameters.
        """
        students, teachers = paired_levels(
            self,
            s_feature,
            t_feature,
            self.num_levels,
            self._check_pair,
            LARGEST,
        )
        loss = 0.0
        for block, s, t in zip(self.levels, students, teachers, strict=True):
            with no_autocast(s):
                loss = loss + block.error(s, t.detach())
        return check_loss(self.loss_weight * loss, *students, *teachers)

    def _check_pair(self, s: Tensor, t: Tensor, index: int) -> None:
        """Raises unless the student's and the teacher's level fit."""
        check_pair(s, t, self.in_channels, self.in_channels, index)
        found = (
            f'level {index}: `s_feature` has shape {tuple(s.shape)} and '
            f'`t_feature` has shape {tuple(t.shape)}'
        )
        if t.shape[2:].numel() < 2:
            raise ValueError(
                f'{found}; a single position normalises to zero: record a '
                'larger map, or lower `num_levels`'
            )
        if self.sub_sample and min(t.shape[2:]) < 2:
            raise ValueError(
                f'{found}; a map below 2x2 cannot be pooled: lower '
                '`num_levels`, or set `sub_sample=False`'
            )
