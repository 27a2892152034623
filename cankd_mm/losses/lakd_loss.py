"""LAKD: each local module imitates the teacher's features and activation."""

from collections.abc import Sequence

from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.functional.lakd import (
    common_grid,
    feature_and_attention_loss,
    feature_loss,
    spatial_weights,
)
from cankd_mm.losses.finite_inputs import check_loss
from cankd_mm.losses.paired_levels import paired_levels
from cankd_mm.utils.arguments import (
    check_choice,
    check_count,
    check_mixture,
    check_weight,
)
from cankd_mm.utils.levels import (
    check_pair,
    no_autocast,
    parameters_type,
)

_MODES = ('match', 'weight')
# Activations are sums over channels, and their norm a sum of squares. Far
# above, the norm overflows float32, and every activation map would be zero.
LARGEST = 1e10


@MODELS.register_module()
class LAKDLoss(nn.Module):
    r"""The imitating part of local attention knowledge distillation.

    `LAKD: Local Attention Knowledge Distillation
    <https://arxiv.org/abs/2408.11478>`_. The authors published no code; the
    form of the equation is known, every number and the attention loss are our
    completion (``docs/methods/lakd.md``).

    .. math::
        L = \beta' \sum_{k=1}^{K} L_{lf}^k
        + \alpha' \frac{1}{K} \sum_{k=1}^{K} L_{att}^k

    with :math:`L_{lf}` the mean squared error between the (projected)
    student's and the teacher's map, on the coarser of both grids, and
    :math:`L_{att}` the squared distance of their activation maps, each of
    norm 1. The published objective is :math:`\alpha L_h + (1 - \alpha)
    L_{att} + \beta L_{lf}`. Divided by :math:`\alpha` the task loss
    :math:`L_h` keeps its weight of 1, and with it the learning rate and the
    clipping of the task's own recipe:
    ``attention_weight`` is :math:`(1 - \alpha) / \alpha` and
    ``feature_weight`` is :math:`\beta / \alpha`. The defaults are those of
    :math:`\alpha = 0.5, \beta = 1`.

    It computes in float32 (float64 for float64 features, which need float64
    projections: ``loss.double()``) under autocast too, and sends no gradient
    to the teacher. The projections train with the student and are of no use
    afterwards.

    NaN and infinity in a feature arrive in the loss. On a CPU they raise an
    error that names the feature, and so do values above 1e10, whose norm is
    close to the limit of float32 (:mod:`cankd_mm.losses.finite_inputs`).

    The loss takes all local modules of a student, or one: with one
    ``LAKDLoss`` for each, as ``LocalModuleDistill(local_backward=True)``
    wants it, say ``attention_weight`` divided by K.

    Args:
        student_channels: Channels of the student's map: a number for one
            module, or one for each.
        teacher_channels: Channels of the teacher's, likewise.
        feature_weight: Weight of the feature term. Defaults to 2.0.
        attention_weight: Weight of the attention term. Defaults to 1.0.
        avg_weight: Weight of average pooling in the activation map. Defaults
            to 0.5.
        max_weight: Weight of max pooling in it. Defaults to 0.5.
        mode: 'match' compares the activation maps of both models. 'weight'
            reads the attention term as a second feature term whose positions
            are weighted by the teacher's activation. Defaults to 'match'.
        loss_weight: Factor on everything. Defaults to 1.0.

    Shape:
        - s_feature: :math:`(B, C_S, H_S, W_S)`, or a tuple of them
        - t_feature: :math:`(B, C_T, H_T, W_T)`, or a tuple of them; each on
          any grid
        - output: scalar

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Examples:
        .. code-block:: python

            distiller = dict(
                type='ConfigurableDistiller',
                student_recorders=dict(
                    layer3=dict(type='ModuleOutputs', source='backbone.layer3')
                ),
                teacher_recorders=dict(
                    layer3=dict(type='ModuleOutputs', source='backbone.layer3')
                ),
                distill_losses=dict(
                    loss_lakd_3=dict(
                        type='LAKDLoss',
                        student_channels=256,
                        teacher_channels=1024,
                    )
                ),
                loss_forward_mappings=dict(
                    loss_lakd_3=dict(
                        s_feature=dict(from_student=True, recorder='layer3'),
                        t_feature=dict(from_student=False, recorder='layer3'),
                    )
                ),
            )
    """

    def __init__(
        self,
        student_channels: int | Sequence[int],
        teacher_channels: int | Sequence[int],
        feature_weight: float = 2.0,
        attention_weight: float = 1.0,
        avg_weight: float = 0.5,
        max_weight: float = 0.5,
        mode: str = 'match',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        students = _channels('student_channels', student_channels)
        teachers = _channels('teacher_channels', teacher_channels)
        if len(students) != len(teachers):
            raise ValueError(
                '`student_channels` and `teacher_channels` must name as many '
                f'modules, found {list(students)} and {list(teachers)}'
            )
        check_choice('mode', mode, _MODES)
        for name, value in (
            ('feature_weight', feature_weight),
            ('attention_weight', attention_weight),
            ('loss_weight', loss_weight),
        ):
            check_weight(name, value)
        check_mixture(avg_weight=avg_weight, max_weight=max_weight)
        self.student_channels = students
        self.teacher_channels = teachers
        self.feature_weight = float(feature_weight)
        self.attention_weight = float(attention_weight)
        self.avg_weight = float(avg_weight)
        self.max_weight = float(max_weight)
        self.mode = mode
        self.loss_weight = float(loss_weight)
        # No activation behind it: a deep projector would learn the teacher's
        # map by itself and leave the module untrained.
        self.projections = nn.ModuleList(
            nn.Identity() if c_s == c_t else nn.Conv2d(c_s, c_t, 1)
            for c_s, c_t in zip(students, teachers, strict=True)
        )

    def forward(
        self,
        s_feature: Tensor | Sequence[Tensor],
        t_feature: Tensor | Sequence[Tensor],
    ) -> Tensor:
        """Computes the loss of one local module, or of all.

        Args:
            s_feature: The student's map, or one for each module.
            t_feature: The teacher's map, or one for each module; detached
                here.

        Returns:
            The weighted loss, a scalar.

        Raises:
            ValueError: There are too few maps, a map is empty, not of a
                floating point type or, on a CPU, not finite, or a pair has
                shapes or devices that do not fit.
            TypeError: A map is not a tensor, or of a wider type than its
                projection.
        """
        students, teachers = paired_levels(
            self,
            s_feature,
            t_feature,
            len(self.projections),
            self._check_pair,
            LARGEST,
        )
        loss = 0.0
        for index, (s, t) in enumerate(zip(students, teachers, strict=True)):
            with no_autocast(s):
                loss = loss + self._module_loss(index, s, t.detach())
        return check_loss(self.loss_weight * loss, *students, *teachers)

    def _check_pair(self, s: Tensor, t: Tensor, index: int) -> None:
        """Raise unless the maps fit; each may have a grid of its own."""
        check_pair(
            s,
            t,
            self.student_channels[index],
            self.teacher_channels[index],
            index,
            same_grid=False,
        )

    def _module_loss(self, index: int, s: Tensor, t: Tensor) -> Tensor:
        """The terms of one local module, weighted and summed."""
        projection = self.projections[index]
        if isinstance(projection, nn.Identity):
            projected = s
        else:
            s = s.to(parameters_type(projection.weight, s, t))
            projected = projection(s)
        mix = (self.avg_weight, self.max_weight)
        attention_weight = self.attention_weight / len(self.projections)
        if self.mode == 'weight':
            # Both terms are means of one distance, weighted differently.
            weights = spatial_weights(t, common_grid(s, t), *mix)
            weights = self.feature_weight + attention_weight * weights
            return feature_loss(projected, t, weights)
        features, attention = feature_and_attention_loss(s, projected, t, *mix)
        return self.feature_weight * features + attention_weight * attention


def _channels(name: str, channels: int | Sequence[int]) -> tuple[int, ...]:
    """Returns the checked number of channels of each module."""
    if not isinstance(channels, Sequence) or isinstance(channels, str):
        channels = (channels,)
    if not channels:
        raise ValueError(f'`{name}` is empty: name the channels of a module')
    for number in channels:
        check_count(name, number)
    return tuple(channels)
