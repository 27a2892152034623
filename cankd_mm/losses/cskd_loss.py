"""CSKD: a CNN's spatial responses teach a transformer's patches."""

from collections.abc import Sequence

import torch
from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.functional import cskd
from cankd_mm.losses.finite_inputs import (
    carry_non_finite,
    check_levels,
    check_loss,
    check_values,
)
from cankd_mm.utils.arguments import (
    check_choice,
    check_count,
    check_flag,
    check_integer,
    check_weight,
)
from cankd_mm.utils.levels import (
    as_levels,
    check_devices,
    check_feature,
    check_not_empty,
    full_precision,
    no_autocast,
)
from cankd_mm.utils.progress import training_progress

_GLOBAL_TERMS = ('fused', 'decoupled')
_ACTIVATIONS = ('softmax', 'sigmoid')
# Sums of larger logits over positions overflow float32, or nearly.
LARGEST = 1e30
LARGEST_TEMPERATURE = 1e6


@MODELS.register_module()
class CSKDLoss(nn.Module):
    r"""Cumulative spatial knowledge distillation.

    `Cumulative Spatial Knowledge Distillation for Vision Transformers
    <https://arxiv.org/abs/2307.08500>`_, ICCV 2023.

    With the teacher's class logits :math:`T_p` at every position, its logits
    :math:`g` of the image, the student's :math:`S_p` and the share r of the
    training that is over, 'fused' is the published loss for image labels:

    .. math::
        L = \operatorname{mean}_p D(S_p, \alpha(r) T_p + (1 - \alpha(r)) g)

    Late in training it asks every position for the image's class, which is
    wrong where the positions themselves have labels. 'decoupled', our
    extension for dense prediction, moves the weight to a term of its own:

    .. math::
        L = \alpha(r) \operatorname{mean}_p D(S_p, T_p) +
        (1 - \alpha(r)) D(g_S, g_T)

    D is cross-entropy with the teacher's class (``hard``) or the KL
    divergence of all classes. The finer of the two grids is pooled to the
    coarser. Under 'softmax' pooling averages logits, here and for g. Under
    'sigmoid' (detectors) it takes the strongest response, over anchors and
    levels too: a class is present in a cell, or in the image, if it is
    anywhere in it; probabilities are fused.

    r counts iterations and comes from MMEngine's runner; it is 0 without one.
    The loss computes in float32 (float64 for float64 features) under autocast
    too, sends no gradient to the teacher, and has no parameters: the
    student's patch classifier is a connector.

    NaN and infinity in a feature arrive in the loss, from ignored pixels and
    through the comparisons of the hard form too. On a CPU they raise an error
    that names the feature, and so do logits above 1e30
    (:mod:`cankd_mm.losses.finite_inputs`).

    Args:
        num_classes: Number of classes, the teacher's.
        global_term: 'fused' or 'decoupled'. Defaults to 'fused'.
        schedule: How the weight of the local responses falls from 1 to 0:
            'linear', 'quadratic' or 'cosine'; with 'constant' it does not.
            Defaults to 'linear'.
        hard: The teacher's class alone, or all of them. Defaults to True.
        temperature: Of the soft form. Defaults to 1.0.
        activation: 'softmax' for exclusive classes, 'sigmoid' for a
            detector's. Defaults to 'softmax'.
        loss_weight: Factor of the loss. Defaults to 1.0.
        ignore_index: Label of pixels to be ignored; a cell with more than
            half of them is left out. Defaults to 255.

    Shape:
        - s_feature, t_feature: :math:`(B, K, h, w)` each, their grids may
          differ; under 'sigmoid' :math:`(B, A K, h, w)` or tuples of such
          levels, the anchors' classes one after the other
        - labels: :math:`(B, H, W)` or :math:`(B, 1, H, W)`
        - output: scalar

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Examples:
        .. code-block:: python

            distiller = dict(
                type='ConfigurableDistiller',
                student_recorders=dict(
                    patches=dict(type='ModuleOutputs', source='backbone'),
                    labels=dict(
                        type='MethodOutputs',
                        source='mmseg.models.decode_heads.decode_head.'
                        'BaseDecodeHead._stack_batch_gt',
                    ),
                ),
                teacher_recorders=dict(
                    logits=dict(
                        type='ModuleOutputs', source='decode_head.conv_seg'
                    )
                ),
                connectors=dict(
                    classify=dict(
                        type='PatchClassifierConnector', num_classes=21
                    )
                ),
                distill_losses=dict(
                    loss_cskd=dict(
                        type='CSKDLoss',
                        num_classes=21,
                        global_term='decoupled',
                    )
                ),
                loss_forward_mappings=dict(
                    loss_cskd=dict(
                        s_feature=dict(
                            from_student=True,
                            recorder='patches',
                            data_idx=3,
                            connector='classify',
                        ),
                        t_feature=dict(from_student=False, recorder='logits'),
                        labels=dict(from_student=True, recorder='labels'),
                    )
                ),
            )
    """

    def __init__(
        self,
        num_classes: int,
        global_term: str = 'fused',
        schedule: str = 'linear',
        hard: bool = True,
        temperature: float = 1.0,
        activation: str = 'softmax',
        loss_weight: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        check_count('num_classes', num_classes)
        for name, value, known in (
            ('global_term', global_term, _GLOBAL_TERMS),
            ('schedule', schedule, cskd.SCHEDULES),
            ('activation', activation, _ACTIVATIONS),
        ):
            check_choice(name, value, known)
        check_flag('hard', hard)
        check_weight('temperature', temperature)
        if not 0 < temperature <= LARGEST_TEMPERATURE:
            raise ValueError(
                '`temperature` must be positive and at most '
                f'{LARGEST_TEMPERATURE:g}, found {temperature}: float32 has '
                'no digits left for what softer logits differ in'
            )
        check_weight('loss_weight', loss_weight)
        check_integer('ignore_index', ignore_index)
        self.num_classes = num_classes
        self.global_term = global_term
        self.schedule = schedule
        self.hard = hard
        self.temperature = float(temperature)
        self.activation = activation
        self.loss_weight = float(loss_weight)
        self.ignore_index = ignore_index

    def forward(
        self,
        s_feature: Tensor | Sequence[Tensor],
        t_feature: Tensor | Sequence[Tensor],
        labels: Tensor | None = None,
        s_weight: Tensor | None = None,
        s_bias: Tensor | None = None,
        t_weight: Tensor | None = None,
        t_bias: Tensor | None = None,
    ) -> Tensor:
        """Computes the loss at the present progress of the training.

        Args:
            s_feature: The student's class logits.
            t_feature: The teacher's class logits; detached here.
            labels: The ground truth, for its ignored pixels alone. Defaults
                to None: nothing is ignored.
            s_weight: Weight (K, D) of the student's classifier, from a
                parameter recorder. With it ``s_feature`` is the feature map
                (B, D, h, w) to be classified at every position: the published
                form, whose patches share the distillation head. Defaults to
                None.
            s_bias: Its bias. Defaults to None.
            t_weight: Likewise of the teacher's classifier behind the mean
                over positions. Defaults to None.
            t_bias: Its bias. Defaults to None.

        Returns:
            The weighted loss, a scalar.

        Raises:
            ValueError: Shapes do not fit each other or ``num_classes``,
                devices differ, or a feature is empty, not of a floating point
                type or, on a CPU, not finite.
            TypeError: An argument is not a tensor, or a level is not.
        """
        _check_tensors(
            labels=labels,
            s_weight=s_weight,
            s_bias=s_bias,
            t_weight=t_weight,
            t_bias=t_bias,
        )
        s_feature = _classified(s_feature, s_weight, s_bias, 's')
        t_feature = _classified(t_feature, t_weight, t_bias, 't')
        students = self._levels(s_feature, 's_feature')
        teachers = self._levels(t_feature, 't_feature')
        _check_batches(students, teachers, labels)
        check_devices(
            s_feature=students,
            t_feature=teachers,
            labels=() if labels is None else (labels,),
        )
        check_levels('s_feature', students, LARGEST)
        check_levels('t_feature', teachers, LARGEST)
        everything = full_precision(
            *students, *(level.detach() for level in teachers)
        )
        students = everything[: len(students)]
        teachers = everything[len(students) :]
        with no_autocast(everything[0]):
            loss = self._loss(students, teachers, labels, training_progress())
        loss = carry_non_finite(self.loss_weight * loss, *everything)
        return check_loss(loss, *everything)

    def _loss(
        self,
        students: tuple[Tensor, ...],
        teachers: tuple[Tensor, ...],
        labels: Tensor | None,
        progress: float,
    ) -> Tensor:
        """The loss at some progress, without its weight."""
        grid = cskd.common_grid(students, teachers)
        s, t = self._cells(students, grid), self._cells(teachers, grid)
        target = self._target(t)
        if self.global_term == 'fused':
            image, _ = self._image(teachers, t, labels)
            target = cskd.cumulative_fusion(
                target, progress, self.schedule, self._target(image)
            )
        cells = cskd.masked_mean(
            self._divergence(s, target), self._valid(labels, s)
        )
        if self.global_term == 'fused':
            return cells
        alpha = cskd.schedule_weight(progress, self.schedule)
        s_image, s_known = self._image(students, s, labels)
        t_image, t_known = self._image(teachers, t, labels)
        image = cskd.masked_mean(
            self._divergence(s_image, self._target(t_image)),
            None if labels is None else s_known & t_known,
        )
        return alpha * cells + (1 - alpha) * image

    # ------------------------------------------- what the activation decides

    def _cells(
        self, levels: tuple[Tensor, ...], grid: tuple[int, int]
    ) -> Tensor:
        """Class logits of the cells of a grid, (B, K, g, g')."""
        if self.activation == 'softmax':
            return cskd.average_to_grid(levels[0], grid)
        return cskd.class_presence(levels, self.num_classes, grid)

    def _image(
        self,
        levels: tuple[Tensor, ...],
        cells: Tensor,
        labels: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Class logits of the image, and whether any of it is known.

        The image is pooled from the finest grid of its levels, which that of
        ``cells`` may be.
        """
        finest = cskd.common_grid(levels, levels)
        if cells.shape[2:] != finest:
            cells = self._cells(levels, finest)
        valid = self._valid(labels, cells)
        pool = (
            cskd.average_image
            if self.activation == 'softmax'
            else cskd.strongest_in_image
        )
        known = None if valid is None else valid.any(2, True).any(1, True)
        return pool(cells, valid), known

    def _target(self, logits: Tensor) -> Tensor:
        """What is fused: logits under softmax, else probabilities."""
        if self.activation == 'softmax':
            return logits
        temperature = 1.0 if self.hard else self.temperature
        return torch.sigmoid(logits / temperature)

    def _divergence(self, student: Tensor, target: Tensor) -> Tensor:
        divergence = (
            cskd.softmax_divergence
            if self.activation == 'softmax'
            else cskd.sigmoid_divergence
        )
        return divergence(student, target, self.hard, self.temperature)

    # ---------------------------------------------------------------- inputs

    def _valid(self, labels: Tensor | None, cells: Tensor) -> Tensor | None:
        """Cells that count, (B, g, g'); None for all."""
        if labels is None:
            return None
        grid = tuple(cells.shape[2:])
        if labels.dim() == 4:
            labels = labels.squeeze(1)
        if labels.dim() != 3:
            raise ValueError(
                f'`labels` has shape {tuple(labels.shape)}, expected (B, H, W)'
                ' or (B, 1, H, W)'
            )
        return cskd.valid_cells(labels, grid, self.ignore_index)

    def _levels(
        self, feature: Tensor | Sequence[Tensor], name: str
    ) -> tuple[Tensor, ...]:
        """The levels of a feature, each a checked map of class logits."""
        levels = as_levels(feature, None, name)
        if self.activation == 'softmax' and len(levels) != 1:
            raise ValueError(
                f'`{name}` has {len(levels)} levels; with '
                "activation='softmax' `CSKDLoss` takes one: choose it with "
                '`data_idx` in `loss_forward_mappings`'
            )
        for level in levels:
            check_not_empty(level, name)
            channels = level.size(1) if level.dim() == 4 else 0
            anchors, rest = divmod(channels, self.num_classes)
            fits = anchors == 1 or (self.activation == 'sigmoid' and anchors)
            if rest or not fits:
                raise ValueError(
                    f'`{name}` has shape {tuple(level.shape)}, expected class '
                    f'logits (B, {self.num_classes}, h, w) for '
                    f'`num_classes`={self.num_classes}: correct it, or bring '
                    'features to logits with a `PatchClassifierConnector`'
                )
        return levels


def _check_tensors(**tensors: Tensor | None) -> None:
    """Raise unless each argument is a tensor with values, or None."""
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f'`{name}` must be a tensor or None, found '
                f'{type(tensor).__name__}: choose one with `data_idx` in '
                '`loss_forward_mappings`'
            )
        if name != 'labels':
            check_feature(tensor, name)
        check_not_empty(tensor, name)


def _classified(
    feature: Tensor | Sequence[Tensor],
    weight: Tensor | None,
    bias: Tensor | None,
    role: str,
) -> Tensor | Sequence[Tensor]:
    """Return logits of a feature map, if there is a classifier for it."""
    name = f'{role}_feature'
    if weight is None:
        if bias is not None:
            raise ValueError(
                f'`{role}_bias` of shape {tuple(bias.shape)} is given without '
                f'`{role}_weight`: record both, or none'
            )
        return feature
    found = f'`{role}_weight` has shape {tuple(weight.shape)}'
    if weight.dim() != 2:
        raise ValueError(
            f'{found}, expected (K, D), the weight of a linear layer'
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(
            f'{found}, but `{role}_bias` has shape {tuple(bias.shape)}; '
            f'expected ({len(weight)},): record both from one layer'
        )
    if isinstance(feature, Tensor):
        check_feature(feature, name)
    fits = isinstance(feature, Tensor) and feature.dim() == 4
    if not fits or feature.size(1) != weight.size(1):
        described = (
            f'shape {tuple(feature.shape)}'
            if isinstance(feature, Tensor)
            else f'type {type(feature).__name__}'
        )
        raise ValueError(
            f'`{name}` has {described}, but its classifier has a weight of '
            f'shape {tuple(weight.shape)}; expected one map (B, '
            f'{weight.size(1)}, h, w): choose a level with `data_idx`, and '
            'bring tokens to a map with a `TokenMapConnector`'
        )
    check_not_empty(feature, name)
    given = {name: feature, f'{role}_weight': weight, f'{role}_bias': bias}
    given = {key: x for key, x in given.items() if x is not None}
    check_devices(**{key: (x,) for key, x in given.items()})
    for key, x in given.items():
        check_values(f'`{key}`', x, LARGEST)
    with no_autocast(feature):
        return cskd.dense_logits(*full_precision(*given.values()))


def _check_batches(
    students: tuple[Tensor, ...],
    teachers: tuple[Tensor, ...],
    labels: Tensor | None,
) -> None:
    """Raises unless all hold the same images."""
    images = students[0].size(0)
    for name, tensors in (
        ('s_feature', students),
        ('t_feature', teachers),
        ('labels', () if labels is None else (labels,)),
    ):
        for tensor in tensors:
            if tensor.shape[:1] != (images,):
                raise ValueError(
                    f'`s_feature` has shape {tuple(students[0].shape)}, but '
                    f'`{name}` has shape {tuple(tensor.shape)}; all must '
                    'hold the same images'
                )
