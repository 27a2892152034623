"""CanKD: the student attends to the teacher before both are compared."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.functional.cankd import (
    instance_norm_mse,
    non_local_dot_product,
)
from cankd_mm.functional.pooled_projection import pooled_projection
from cankd_mm.functional.residual_error import residual_error
from cankd_mm.utils.arguments import check_count, check_flag, check_weight
from cankd_mm.utils.levels import (
    as_levels,
    check_pair,
    full_precision,
    full_type,
    no_autocast,
)

# Up to so many elements a map fits the cache, and few calls are what counts.
SMALL_MAP = 2**20


class CrossNonLocal(nn.Module):
    r"""Non-local block with the student's queries and the teacher's keys.

    .. math::
        z = s + BN\left(W\left(\frac{1}{K} g(t)
        \left(\phi(t)^T \theta(s)\right)\right)\right)

    BN starts at weight and bias 0, so that the block starts as the identity.
    A plain ``nn.Module``: MMEngine's ``init_weights`` leaves it alone.

    Args:
        in_channels: Channels of both feature maps.
        inter_channels: Channels of the embeddings.
        sub_sample: Whether keys and values are max-pooled 2x2. Defaults to
            True.
        use_norm: Whether a BatchNorm ends the branch; without it ``out_proj``
            starts at 0 in its place. Defaults to True.

    Shape:
        - s, t: :math:`(B, C, H, W)`
        - output: :math:`(B, C, H, W)`
    """

    def __init__(
        self,
        in_channels: int,
        inter_channels: int,
        sub_sample: bool = True,
        use_norm: bool = True,
    ) -> None:
        super().__init__()
        self.sub_sample = sub_sample
        self.use_norm = use_norm
        self.theta = nn.Conv2d(in_channels, inter_channels, 1)
        self.phi = nn.Conv2d(in_channels, inter_channels, 1)
        self.g = nn.Conv2d(in_channels, inter_channels, 1)
        self.out_proj = nn.Conv2d(inter_channels, in_channels, 1)
        last = self.out_proj
        if use_norm:
            last = self.out_norm = nn.BatchNorm2d(in_channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        """Adds to the student's map what it gathers from the teacher's."""
        query, key, value = self.theta(s), self.phi(t), self.g(t)
        if self.sub_sample:
            key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        gathered = non_local_dot_product(
            query.flatten(2), key.flatten(2), value.flatten(2)
        )
        branch = self.out_proj(gathered.view_as(query))
        if self.use_norm:
            branch = self.out_norm(branch)
        return branch + s

    def error(self, s: Tensor, t: Tensor) -> Tensor:
        """Mean squared error of the output to t, both instance-normalised.

        Equal to the step by step form on any map; on a large one it makes no
        output and keeps next to nothing of the map's size.
        """
        if self._goes_by_sums(s, t):
            return self._error_by_sums(s, t)
        s, t = full_precision(s, t)
        if s.numel() <= SMALL_MAP:
            return F.mse_loss(F.instance_norm(self(s, t)), F.instance_norm(t))
        return instance_norm_mse(self(s, t), t)

    def _goes_by_sums(self, s: Tensor, t: Tensor) -> bool:
        """Whether it can, and whether that is the cheaper way."""
        return (
            s.numel() > SMALL_MAP
            and s.shape[2:].numel() > s.size(1)
            and self.use_norm
            # Neither frozen nor synchronised: of this batch alone.
            and type(self.out_norm) is nn.BatchNorm2d
            and self.out_norm.training
            and self.theta.weight.dtype == full_type(s, t)
        )

    def _error_by_sums(self, s: Tensor, t: Tensor) -> Tensor:
        """The branch is one C x d matrix for each image, of the queries."""
        key, value = self._keys_and_values(t)
        projection = self.out_proj.weight.flatten(1)
        # (W value key^T)^T = key value^T W^T: the projection asks.
        mixing = non_local_dot_product(
            projection.T.expand(len(s), -1, -1), value, key
        ).transpose(1, 2)
        error, mean, variance = residual_error(
            s.flatten(2),
            t.flatten(2),
            (self.theta.weight.flatten(1), self.theta.bias),
            mixing,
            self.out_norm.weight,
            self.out_norm.eps,
        )
        self._track(mean, variance, s.numel() // s.size(1))
        # The instance norm takes these out; their gradient is 0, not missing.
        offsets = self.out_proj.bias.sum() + self.out_norm.bias.sum()
        return error + 0 * offsets

    def _keys_and_values(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Both embeddings of the teacher's map in one product, (B, d, K)."""
        weight = torch.cat((self.phi.weight, self.g.weight)).flatten(1)
        bias = torch.cat((self.phi.bias, self.g.bias))
        if self.sub_sample:
            embedded = pooled_projection(t, weight).flatten(2)
        else:
            embedded = weight.expand(len(t), -1, -1) @ t.flatten(2).to(
                weight.dtype
            )
        # An offset passes the maximum unchanged.
        return (embedded + bias[:, None]).chunk(2, 1)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Updates BatchNorm's running statistics as its forward would."""
        norm = self.out_norm
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean + self.out_proj.bias, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)


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

    It computes in float32 (float64 for float64 features) under autocast too,
    and sends no gradient to the teacher. The block's parameters train with
    the student and are of no use afterwards.

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
            ValueError: There are too few levels, or a pair of levels has
                shapes that do not fit.
            TypeError: A level is not a tensor.
        """
        pairs = zip(
            self.levels,
            as_levels(s_feature, self.num_levels, 's_feature'),
            as_levels(t_feature, self.num_levels, 't_feature'),
            strict=True,
        )
        loss = 0.0
        for index, (block, s, t) in enumerate(pairs):
            self._check_pair(s, t, index)
            with no_autocast(s):
                loss = loss + block.error(s, t.detach())
        return self.loss_weight * loss

    def _check_pair(self, s: Tensor, t: Tensor, index: int) -> None:
        """Raises unless the student's and the teacher's level fit."""
        check_pair(s, t, self.in_channels, self.in_channels, index)
        if self.sub_sample and min(t.shape[2:]) < 2:
            raise ValueError(
                f'level {index}: `s_feature` has shape {tuple(s.shape)} and '
                f'`t_feature` has shape {tuple(t.shape)}; a map below 2x2 '
                'cannot be pooled: lower `num_levels`, or set '
                '`sub_sample=False`'
            )
