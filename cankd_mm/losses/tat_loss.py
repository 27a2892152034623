"""TaT: each teacher position is rebuilt from all of the student's."""

from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F
from mmrazor.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cankd_mm.functional.tat import (
    AXES,
    anchor_points,
    patch_grid,
    patch_groups,
    patch_strips,
    target_aware_attention,
)
from cankd_mm.losses.finite_inputs import (
    carry_non_finite,
    check_loss,
    values_are_checked,
)
from cankd_mm.losses.paired_levels import paired_levels
from cankd_mm.utils.arguments import (
    check_choice,
    check_count,
    check_flag,
    check_size_per_level,
    check_weight,
)
from cankd_mm.utils.levels import (
    check_pair,
    no_autocast,
    parameters_type,
)

Size = tuple[int, int]
EMBED_NORMS = ('instance', 'batch', None)
# Without norms the gradients of the embeddings grow with the fourth power of
# the values. Above, they can overflow float32 where the loss does not.
LARGEST = 1e8
LARGEST_SCALE = 1e6
# Fused attention computes similarities again in its backward pass. Rounded
# otherwise, larger ones give weights above 1, and then infinite ones.
LARGEST_SIMILARITY = 1e7


def with_contiguous_gradient(x: Tensor) -> Tensor:
    """Makes the gradient contiguous before the norm behind ``x`` takes it.

    On a CPU torch misreads the gradient that tokens of one image send back:
    strided like ``channels_last``.
    """
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient.contiguous())
    return x


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm that a single position passes with its affine part.

    A single position has no variance: torch's own raises.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each channel of each image, (B, C, H, W)."""
        if x.shape[2:].numel() > 1:
            return with_contiguous_gradient(super().forward(x))
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that uses its running statistics for a single position."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each channel, (B, C, H, W)."""
        if x.numel() > x.size(1):
            return with_contiguous_gradient(super().forward(x))
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
        )


class Embedding(nn.Sequential):
    """Convolution and norm, from a feature to tokens' channels.

    Args:
        in_channels: Channels of the feature.
        out_channels: Channels of a token.
        kernel_size: Of the convolution, odd.
        norm: 'instance', 'batch' or None.

    Shape:
        - input: :math:`(B, C_{in}, H, W)`
        - output: :math:`(B, C_{out}, H, W)`
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        norm: str | None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            padding=kernel_size // 2,
            bias=norm is None,
        )
        if norm == 'instance':
            self.norm = InstanceNorm(out_channels, affine=True)
        elif norm == 'batch':
            self.norm = BatchNorm(out_channels)


class Embeddings(nn.Module):
    """One level's query and value of the student and key of the teacher.

    Args:
        student_channels: Channels of the student's level.
        teacher_channels: Channels of the teacher's level and of all tokens.
        kernel_size: Of the student's convolutions; the teacher's is 1x1.
        embed_key: Whether the teacher's key is embedded, or taken raw.
        norm: 'instance', 'batch' or None.
    """

    def __init__(
        self,
        student_channels: int,
        teacher_channels: int,
        kernel_size: int,
        embed_key: bool,
        norm: str | None,
    ) -> None:
        super().__init__()
        self.query = Embedding(
            student_channels, teacher_channels, kernel_size, norm
        )
        self.key = (
            Embedding(teacher_channels, teacher_channels, 1, norm)
            if embed_key
            else nn.Identity()
        )
        self.value = Embedding(
            student_channels, teacher_channels, kernel_size, norm
        )

    def forward(self, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns query, key and value, (B, teacher_channels, H, W) each."""
        return self.query(s), self.key(t), self.value(s)


@MODELS.register_module()
class TaTLoss(nn.Module):
    r"""Knowledge distillation via the target-aware transformer.

    `Knowledge Distillation via the Target-aware Transformer
    <https://arxiv.org/abs/2205.10793>`_, CVPR 2022.

    .. math::
        L = w \sum_l \left(\delta\, \operatorname{mean}
        \left(A(G(q), G(k), G(v)) - G(t)\right)^2
        + \zeta\, \operatorname{mean}
        \left(A(P(q), P(k), P(v)) - P(t)\right)^2\right)

    A is :func:`cankd_mm.functional.target_aware_attention`, G cuts a map into
    groups of patches (:func:`cankd_mm.functional.patch_groups`), P averages
    it to anchor points (:func:`cankd_mm.functional.anchor_points`); q and v
    embed the student's level, k the teacher's. The target is the teacher's
    raw feature. A level without patches and without anchors is matched one
    to all: A over all its positions, whose mean square alone is its term.

    It computes in the type of its parameters under autocast too: float32, or
    float64 after ``loss.double()``, which float64 features need. It sends no
    gradient to the teacher. The embeddings train with the student and are of
    no use afterwards.

    NaN and infinity in a feature arrive in the loss, in rows and columns
    beyond the last whole patch and window too. On a CPU they raise an error
    that names the feature, and so do values above 1e8, whose gradients can
    overflow float32 (:mod:`cankd_mm.losses.finite_inputs`), and similarities
    above 1e7, whose softmax has no digits left.

    Args:
        student_channels: Channels of the student's feature, on all levels.
        teacher_channels: Channels of the teacher's feature, on all levels.
        num_levels: Number of feature levels, each with embeddings of its own.
            Of a longer tuple the first ``num_levels`` are used. Defaults to 1.
        patch_size: Height and width of a patch in positions, None for no
            patches, or a list with one of these per level. A patch is no
            larger than its level. Defaults to (8, 8).
        patches_per_group: Neighbouring patches that share one softmax.
            Defaults to 1.
        anchor_stride: Height and width in positions of the window that is
            averaged to an anchor point, None for no anchors, or a list with
            one of these per level. A window is no larger than its level.
            Defaults to (4, 4).
        patch_weight: The paper's delta. Defaults to 1.0.
        anchor_weight: The paper's zeta. Defaults to 1.0.
        embed_key: Whether the teacher's key is embedded, as the authors do
            for segmentation, or taken raw, as they do for classification.
            Defaults to True.
        axis: Whose positions the softmax runs over: 'teacher', the authors'
            code, or 'student', the paper's equations 1 and 2. Defaults to
            'teacher'.
        scale: Factor on the similarities, None for one over the square root
            of a token's channels. Defaults to 1.0.
        embed_norm: What follows the convolution of an embedding: 'instance'
            (with affine part; what the authors' per-image BatchNorm is),
            'batch', or None. Defaults to 'instance'.
        embed_kernel_size: Kernel size of the student's embeddings; the
            authors use 3 for classification. Defaults to 1.
        loss_weight: Factor on the whole. Defaults to 1.0.

    Shape:
        - s_feature: :math:`(B, C_s, H, W)`, or a tuple of levels
        - t_feature: :math:`(B, C_t, H, W)`, or a tuple of levels
        - output: scalar

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Examples:
        .. code-block:: python

            # Before the last ReLU of DeepLabV3+'s decoder.
            tap = 'decode_head.sep_bottleneck.1.pointwise_conv.bn'
            distiller = dict(
                type='ConfigurableDistiller',
                student_recorders=dict(
                    decoder=dict(type='ModuleOutputs', source=tap)
                ),
                teacher_recorders=dict(
                    decoder=dict(type='ModuleOutputs', source=tap)
                ),
                distill_losses=dict(
                    loss_tat=dict(
                        type='TaTLoss',
                        student_channels=128,
                        teacher_channels=512,
                        patches_per_group=4,
                        patch_weight=1.6,
                        anchor_weight=0.64,
                    )
                ),
                loss_forward_mappings=dict(
                    loss_tat=dict(
                        s_feature=dict(from_student=True, recorder='decoder'),
                        t_feature=dict(from_student=False, recorder='decoder'),
                    )
                ),
            )
    """

    def __init__(
        self,
        student_channels: int,
        teacher_channels: int,
        num_levels: int = 1,
        patch_size: Size | None | Sequence[Size | None] = (8, 8),
        patches_per_group: int = 1,
        anchor_stride: Size | None | Sequence[Size | None] = (4, 4),
        patch_weight: float = 1.0,
        anchor_weight: float = 1.0,
        embed_key: bool = True,
        axis: str = 'teacher',
        scale: float | None = 1.0,
        embed_norm: str | None = 'instance',
        embed_kernel_size: int = 1,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_count('student_channels', student_channels)
        check_count('teacher_channels', teacher_channels)
        check_count('num_levels', num_levels)
        check_count('patches_per_group', patches_per_group)
        check_weight('patch_weight', patch_weight)
        check_weight('anchor_weight', anchor_weight)
        check_flag('embed_key', embed_key)
        check_choice('axis', axis, AXES)
        if scale is not None:
            check_weight('scale', scale)
            if scale > LARGEST_SCALE:
                raise ValueError(
                    f'`scale` must be at most {LARGEST_SCALE:g}, found '
                    f'{scale}: gradients of the similarities would overflow'
                )
        check_choice('embed_norm', embed_norm, EMBED_NORMS)
        check_count('embed_kernel_size', embed_kernel_size)
        if embed_kernel_size % 2 == 0:
            raise ValueError(
                '`embed_kernel_size` must be odd, so that the embedding keeps '
                f'height and width, found {embed_kernel_size}'
            )
        check_weight('loss_weight', loss_weight)
        self.student_channels = student_channels
        self.teacher_channels = teacher_channels
        self.num_levels = num_levels
        self.patch_sizes = check_size_per_level(
            'patch_size', patch_size, num_levels
        )
        self.patches_per_group = patches_per_group
        self.anchor_strides = check_size_per_level(
            'anchor_stride', anchor_stride, num_levels
        )
        self.patch_weight = float(patch_weight)
        self.anchor_weight = float(anchor_weight)
        self.axis = axis
        self.scale = None if scale is None else float(scale)
        self.loss_weight = float(loss_weight)
        self.levels = nn.ModuleList(
            Embeddings(
                student_channels,
                teacher_channels,
                embed_kernel_size,
                embed_key,
                embed_norm,
            )
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
        for index, (s, t) in enumerate(zip(students, teachers, strict=True)):
            dtype = parameters_type(self.levels[index].query.conv.weight, s, t)
            s, t = s.to(dtype), t.detach().to(dtype)
            with no_autocast(s):
                loss = loss + self._level_loss(index, s, t)
        loss = carry_non_finite(self.loss_weight * loss, *students, *teachers)
        return check_loss(loss, *students, *teachers)

    def _check_pair(self, s: Tensor, t: Tensor, index: int) -> None:
        """Raise unless the student's and the teacher's level fit."""
        check_pair(s, t, self.student_channels, self.teacher_channels, index)

    def _level_loss(self, index: int, s: Tensor, t: Tensor) -> Tensor:
        """The terms of one level, weighted and summed."""
        maps = (*self.levels[index](s, t), t)
        patch_size = self.patch_sizes[index]
        stride = self.anchor_strides[index]
        if patch_size is None and stride is None:
            return self._mean_square(maps, lambda x: anchor_points(x, (1, 1)))
        loss = 0.0
        # The first term's gradients are the last: no full map of them is kept
        # while the patches', which take more memory, are made.
        if stride is not None:
            loss = loss + self.anchor_weight * self._mean_square(
                maps, lambda x: anchor_points(x, stride)
            )
        if patch_size is not None:
            loss = loss + self.patch_weight * self._patch_term(
                maps, patch_size
            )
        return loss

    def _patch_term(self, maps: Sequence[Tensor], patch_size: Size) -> Tensor:
        """Mean square over whole patches, whatever fills the last group.

        Tokens and attention of a large map are made strip by strip, and again
        in the backward pass, so that no map of tokens is kept.
        """
        per_group = self.patches_per_group
        target = maps[-1]

        def mean(*strip: Tensor) -> Tensor:
            """The share of a strip in the mean of the map."""
            patches = prod(patch_grid(strip[-1], patch_size))
            filled = patches + -patches % per_group
            return self._mean_square(
                strip, lambda x: patch_groups(x, patch_size, per_group)
            ) * (filled / prod(patch_grid(target, patch_size)))

        heights = patch_strips(target, patch_size, per_group)
        if len(heights) == 1:
            return mean(*maps)
        strips = zip(*(x.split(heights, 2) for x in maps), strict=True)
        return sum(
            checkpoint(
                mean, *strip, use_reentrant=False, preserve_rng_state=False
            )
            for strip in strips
        )

    def _mean_square(
        self,
        maps: Sequence[Tensor],
        tokens: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Mean squared error of the re-arranged student to the teacher."""
        query, key, value, target = map(tokens, maps)
        self._check_similarities(query, key)
        return F.mse_loss(
            target_aware_attention(query, key, value, self.axis, self.scale),
            target,
        )

    def _check_similarities(self, query: Tensor, key: Tensor) -> None:
        """Raise if float32 has no digits left for what similarities differ in.

        Raises:
            ValueError: A similarity may be too large; never where
                :func:`values_are_checked` is False.
        """
        if not values_are_checked(query):
            return
        scale = query.size(-1) ** -0.5 if self.scale is None else self.scale
        # No product of two tokens is larger than that of their norms.
        largest = scale
        for x in (query, key):
            norms = torch.linalg.vector_norm(x.detach(), dim=-1)
            largest *= float(norms.amax())
        if largest > LARGEST_SIMILARITY:
            raise ValueError(
                f'queries of `s_feature` and keys of `t_feature`, of shape '
                f'{tuple(query.shape)}, have similarities of up to '
                f'{largest:g} with `scale`={scale:g}; expected at most '
                f'{LARGEST_SIMILARITY:g}: lower `scale`, or set `embed_norm`'
                " to 'instance' and `embed_key` to True"
            )
