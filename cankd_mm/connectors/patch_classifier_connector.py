"""Classifies the patches of a transformer."""

import math
from numbers import Real

import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.connectors.checked_convolution import check_output, convolve
from cankd_mm.utils.arguments import check_count
from cankd_mm.utils.levels import check_feature, check_not_empty


@MODELS.register_module()
class PatchClassifierConnector(BaseConnector):
    """Linear classifier of patch tokens: a 1x1 convolution with bias.

    It gives the student's patches the class logits that ``CSKDLoss`` compares
    with the teacher's. It trains with the student and is thrown away with the
    distiller.

    Args:
        num_classes: Number of classes, the teacher's.
        in_channels: Channels of the tokens. Defaults to None: found at the
            first forward. ``FrozenTeacherDistill`` runs one when it is built;
            MMRazor's own algorithms do not, and need the number.
        prior_probability: What every class has at the start under a sigmoid.
            Of a detector's classes nearly all are absent at any place: 0.01
            suits. Defaults to None, a bias of 0.
        init_cfg: Config of MMEngine's initialisation. Defaults to None,
            torch's own.

    Shape:
        - feature: :math:`(B, D, h, w)`; of tokens a
          :class:`TokenMapConnector` makes that
        - output: :math:`(B, K, h, w)`

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Source: CSKD (ICCV 2023) classifies the patch tokens with the
    distillation head; a classifier of their own is our completion.

    Examples:
        .. code-block:: python

            connectors=dict(
                classify=dict(type='PatchClassifierConnector', num_classes=21)
            )
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int | None = None,
        prior_probability: float | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        check_count('num_classes', num_classes)
        if in_channels is None:
            self.conv = nn.LazyConv2d(num_classes, 1, bias=False)
        else:
            check_count('in_channels', in_channels)
            self.conv = nn.Conv2d(in_channels, num_classes, 1, bias=False)
        # Not the convolution's: a lazy one overwrites it when it is found.
        self.bias = nn.Parameter(
            torch.full((num_classes,), _logit(prior_probability))
        )

    def forward_train(self, feature: Tensor) -> Tensor:
        """Classifies every position.

        Args:
            feature: Patch tokens as a map.

        Returns:
            Class logits.

        Raises:
            ValueError: It is no map, has other channels, is empty, not of a
                floating point type, on another device or, on a CPU, not
                finite.
            TypeError: It is not a tensor.
        """
        if not isinstance(feature, Tensor):
            raise TypeError(
                '`feature` of `PatchClassifierConnector` must be one tensor, '
                f'found {type(feature).__name__}: choose a level with '
                '`data_idx` in `loss_forward_mappings`'
            )
        check_feature(feature, 'feature')
        found = f'`feature` has shape {tuple(feature.shape)}'
        if feature.dim() != 4:
            raise ValueError(
                f'{found}, expected (B, D, h, w): put a `TokenMapConnector` '
                'before the `PatchClassifierConnector`'
            )
        expected = self.conv.in_channels  # 0 until a lazy one has seen one
        if expected not in (0, feature.size(1)):
            raise ValueError(
                f'`in_channels` of `PatchClassifierConnector` is {expected}, '
                f'but {found}: set it to {feature.size(1)}, or leave it out '
                'to have it found'
            )
        check_not_empty(feature, 'feature')
        logits = convolve(self.conv, feature, '`feature`')
        return check_output(logits + self.bias[:, None, None], self)


def _logit(probability: float | None) -> float:
    """The bias that gives a probability under a sigmoid."""
    if probability is None:
        return 0.0
    if not isinstance(probability, Real) or isinstance(probability, bool):
        raise TypeError(
            '`prior_probability` must be a number between 0 and 1 or None, '
            f'found {probability!r} ({type(probability).__name__})'
        )
    if not 0 < probability < 1:
        raise ValueError(
            '`prior_probability` must lie between 0 and 1, found '
            f'{probability}'
        )
    return math.log(probability / (1 - probability))
