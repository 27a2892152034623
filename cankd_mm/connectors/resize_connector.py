"""Resizes a feature map."""

from collections.abc import Sequence
from math import prod

import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import Tensor

from cankd_mm.losses.finite_inputs import check_values
from cankd_mm.utils.arguments import as_pair, check_flag, check_weight
from cankd_mm.utils.levels import check_not_empty, map_levels

# Sums of larger values over a window overflow float32, or nearly.
LARGEST = 1e30
# Torch's kernels count the values of a map in 32 bits.
MOST_VALUES = 2**31 - 1
_MODES = ('nearest', 'nearest-exact', 'bilinear', 'bicubic', 'area')


@MODELS.register_module()
class ResizeConnector(BaseConnector):
    """Interpolates feature maps to a size or by a factor.

    For maps whose grids differ. No loss of this package resizes by itself: a
    wrong pairing of levels should be seen, not blurred.

    Args:
        size: Height and width of the output, or one number for both. Defaults
            to None.
        scale_factor: Factor of height and width, or one for each. Defaults to
            None. Exactly one of ``size`` and ``scale_factor`` is needed.
        mode: 'nearest', 'nearest-exact', 'bilinear', 'bicubic' or 'area'; the
            last averages, which suits shrinking. Defaults to 'bilinear'.
        align_corners: As in :func:`torch.nn.functional.interpolate`. Defaults
            to None.
        init_cfg: Accepted by every connector; there is nothing to initialise.
            Defaults to None.

    Shape:
        - feature: :math:`(B, C, H, W)`, or a tuple of them
        - output: :math:`(B, C, H', W')`; a tuple for a tuple

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Source: our completion.

    Examples:
        .. code-block:: python

            connectors=dict(
                to_stride_8=dict(type='ResizeConnector', scale_factor=2)
            )
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = 'bilinear',
        align_corners: bool | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if (size is None) == (scale_factor is None):
            raise ValueError(
                'give exactly one of `size` and `scale_factor`, found '
                f'size={size!r} and scale_factor={scale_factor!r}'
            )
        if mode not in _MODES:
            raise ValueError(f'`mode` must be one of {_MODES}, found {mode!r}')
        if align_corners is not None:
            check_flag('align_corners', align_corners)
        if align_corners is not None and mode not in ('bilinear', 'bicubic'):
            raise ValueError(
                '`align_corners` needs mode bilinear or bicubic, found '
                f'align_corners={align_corners} and mode={mode!r}'
            )
        if size is not None:
            size = as_pair('size', size)
        else:
            scale_factor = as_pair('scale_factor', scale_factor, check_weight)
            if min(scale_factor) == 0:
                raise ValueError('`scale_factor` must be positive, found 0')
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward_train(
        self, feature: Tensor | Sequence[Tensor]
    ) -> Tensor | tuple[Tensor, ...]:
        """Resizes one level, or each of several.

        Args:
            feature: The level, or levels.

        Returns:
            The resized level, or a tuple of levels.

        Raises:
            ValueError: A level is no (B, C, H, W) map, is empty, not of a
                floating point type or, on a CPU, not finite, or nothing is
                left of it.
            TypeError: A level is not a tensor.
        """
        return map_levels(self._resize, feature)

    def _resize(self, level: Tensor) -> Tensor:
        if level.dim() != 4:
            raise ValueError(
                '`feature` must have shape (B, C, H, W), found '
                f'{tuple(level.shape)}'
            )
        check_not_empty(level, 'feature')
        self._check_size(level)
        check_values('`feature`', level, LARGEST)
        return F.interpolate(
            level,
            size=self.size,
            scale_factor=self.scale_factor,
            mode=self.mode,
            align_corners=self.align_corners,
        )

    def _check_size(self, level: Tensor) -> None:
        """Raise unless the resized level has a size that is possible."""
        size = self.size or tuple(
            side * factor
            for side, factor in zip(
                level.shape[2:], self.scale_factor, strict=True
            )
        )
        if min(size) < 1 or prod((*level.shape[:2], *size)) > MOST_VALUES:
            raise ValueError(
                f'`feature` has shape {tuple(level.shape)}; with size='
                f'{self.size} and scale_factor={self.scale_factor} it would '
                f'be resized to {tuple(size)}: expected at least 1x1, and no '
                f'more than {MOST_VALUES} values'
            )
