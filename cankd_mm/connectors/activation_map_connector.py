"""Turns a feature map into LAKD's non-directional activation map."""

from collections.abc import Sequence

from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import Tensor

from cankd_mm.functional.lakd import activation_map, coarse_grid
from cankd_mm.losses.finite_inputs import check_values
from cankd_mm.utils.arguments import as_pair, check_flag, check_mixture
from cankd_mm.utils.levels import check_not_empty, map_levels, no_autocast

# As for LAKD's loss: the norm of larger values overflows float32.
LARGEST = 1e10


@MODELS.register_module()
class ActivationMapConnector(BaseConnector):
    """Where a feature is active, on a coarse grid, without channels.

    Lets any loss of MMRazor compare where student and teacher look, whatever
    their numbers of channels. Give both sides the same ``grid``.

    Args:
        grid: Cells of the map, high and wide, or one number for both.
            Defaults to None: half the feature's height and width, which fits
            where both models have the same grid.
        avg_weight: Weight of average pooling. Defaults to 0.5.
        max_weight: Weight of max pooling. Defaults to 0.5.
        flatten: Return a vector for each image; else a map of one channel,
            for losses that want one. Defaults to True.
        init_cfg: Accepted by every connector; there is nothing to initialise.
            Defaults to None.

    Shape:
        - feature: :math:`(B, C, H, W)`, or a tuple of them
        - output: :math:`(B, g_h g_w)`, or :math:`(B, 1, g_h, g_w)` with
          ``flatten=False``; a tuple for a tuple

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Source: LAKD (arXiv 2408.11478) with our completion; see
    :func:`cankd_mm.functional.lakd.activation_map`.

    Examples:
        .. code-block:: python

            connectors=dict(
                activation=dict(type='ActivationMapConnector', grid=(8, 8))
            )
    """

    def __init__(
        self,
        grid: int | Sequence[int] | None = None,
        avg_weight: float = 0.5,
        max_weight: float = 0.5,
        flatten: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        check_mixture(avg_weight=avg_weight, max_weight=max_weight)
        check_flag('flatten', flatten)
        self.grid = None if grid is None else as_pair('grid', grid)
        self.avg_weight = avg_weight
        self.max_weight = max_weight
        self.flatten = flatten

    def forward_train(
        self, feature: Tensor | Sequence[Tensor]
    ) -> Tensor | tuple[Tensor, ...]:
        """Maps one level, or each of several.

        Args:
            feature: The level, or levels.

        Returns:
            The activation map in at least float32, or a tuple of them.

        Raises:
            ValueError: A level is no (B, C, H, W) map, is empty, not of a
                floating point type or, on a CPU, not finite or above 1e10.
            TypeError: A level is not a tensor.
        """
        return map_levels(self._map, feature)

    def _map(self, level: Tensor) -> Tensor:
        if level.dim() != 4:
            raise ValueError(
                '`feature` of `ActivationMapConnector` must have shape '
                f'(B, C, H, W), found {tuple(level.shape)}: bring tokens or '
                'vectors to a map with a connector'
            )
        check_not_empty(level, 'feature')
        check_values('`feature`', level, LARGEST)
        grid = self.grid or coarse_grid(level, level)
        with no_autocast(level):
            vector = activation_map(
                level, grid, self.avg_weight, self.max_weight
            )
        return vector if self.flatten else vector.view(-1, 1, *grid)
