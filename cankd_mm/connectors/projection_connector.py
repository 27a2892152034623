"""Projects a feature to another number of channels."""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.connectors.checked_convolution import (
    apply_typed,
    check_output,
    convolve,
)
from cankd_mm.utils.arguments import check_count
from cankd_mm.utils.levels import check_not_empty, map_levels


@MODELS.register_module()
class ProjectionConnector(BaseConnector):
    """1x1 convolution with an optional norm, one for each feature level.

    Brings a student's feature to the teacher's number of channels, as the
    authors of CanKD do for segmentation. Without a norm the convolution has a
    bias.

    Args:
        out_channels: Channels of the output: one number, or one per level.
        in_channels: Channels of the input, likewise. Defaults to None: found
            at the first forward. ``FrozenTeacherDistill`` runs one when it is
            built; MMRazor's own algorithms do not, and need the number.
        num_levels: Number of feature levels. Of a longer tuple the first
            ``num_levels`` are used. Defaults to 1.
        norm_cfg: Config of a norm layer behind the convolution. Defaults to
            None, no norm.
        init_cfg: Config of MMEngine's initialisation. Defaults to None,
            torch's own.

    Shape:
        - feature: :math:`(B, C_{in}, H, W)`, or a tuple of them
        - output: :math:`(B, C_{out}, H, W)`; a tuple for a tuple

    Raises:
        ValueError: A number of channels or of levels is out of range, or
            ``norm_cfg`` builds no norm for maps.
        TypeError: A number of channels or of levels is no integer, or
            ``norm_cfg`` is no dict.

    Source: the authors' configs of CanKD (arXiv 2511.21503) for one level;
    several levels and the norm are our completion.

    Examples:
        .. code-block:: python

            connectors=dict(
                to_teacher=dict(type='ProjectionConnector', out_channels=2048)
            )
    """

    def __init__(
        self,
        out_channels: int | Sequence[int],
        in_channels: int | Sequence[int] | None = None,
        num_levels: int = 1,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        check_count('num_levels', num_levels)
        outs = _per_level('out_channels', out_channels, num_levels)
        if in_channels is None:
            ins = (None,) * num_levels
        else:
            ins = _per_level('in_channels', in_channels, num_levels)
        bias = norm_cfg is None
        self.num_levels = num_levels
        self.convs = nn.ModuleList(
            nn.LazyConv2d(c_out, 1, bias=bias)
            if c_in is None
            else nn.Conv2d(c_in, c_out, 1, bias=bias)
            for c_in, c_out in zip(ins, outs, strict=True)
        )
        self.norms = nn.ModuleList(
            nn.Identity() if norm_cfg is None else _norm(norm_cfg, c_out)
            for c_out in outs
        )

    def forward_train(
        self, feature: Tensor | Sequence[Tensor]
    ) -> Tensor | tuple[Tensor, ...]:
        """Projects one level, or each of several.

        Args:
            feature: The level, or levels.

        Returns:
            The projected level, or a tuple of levels.

        Raises:
            ValueError: There are too few levels, a level has not the number
                of channels of ``in_channels``, is empty, not of a floating
                point type, on another device or, on a CPU, not finite.
            TypeError: A level is not a tensor.
        """
        return map_levels(self._project, feature, range(self.num_levels))

    def _project(self, level: Tensor, index: int) -> Tensor:
        conv = self.convs[index]
        self._check_channels(conv, level, index)
        projected = convolve(conv, level, f'`feature[{index}]`')
        try:
            normed = apply_typed(self.norms[index], projected, 'its input')
        except ValueError as error:
            # Torch's: one value per channel, or a norm of other ranks.
            raise ValueError(
                f'the norm of `norm_cfg`, {self.norms[index]}, does not take '
                f'maps of shape {tuple(projected.shape)}: {error}. Give '
                'another norm, or None'
            ) from error
        return check_output(normed, self)

    @staticmethod
    def _check_channels(conv: nn.Conv2d, level: Tensor, index: int) -> None:
        """Raises unless a level is a map with the channels of its conv."""
        found = f'level {index} of the feature has shape {tuple(level.shape)}'
        if level.dim() != 4:
            raise ValueError(
                f'{found}, expected (B, C, H, W): bring tokens to a map with '
                'a `TokenMapConnector`'
            )
        expected = conv.in_channels  # 0 until a lazy one has seen a feature
        if expected not in (0, level.size(1)):
            raise ValueError(
                f'`in_channels` of `ProjectionConnector` is {expected}, but '
                f'{found}, that is {level.size(1)} channels: set '
                f'`in_channels` to {level.size(1)}, or leave it out to have '
                'it found'
            )
        check_not_empty(level, f'feature[{index}]')


def _per_level(
    name: str, channels: int | Sequence[int], num_levels: int
) -> tuple[int, ...]:
    """Returns a checked number of channels for each level."""
    if not isinstance(channels, Sequence) or isinstance(channels, str):
        channels = (channels,) * num_levels
    if len(channels) != num_levels:
        raise ValueError(
            f'`{name}` has {len(channels)} numbers, but `num_levels` is '
            f'{num_levels}: give one number, or one for each level'
        )
    for number in channels:
        check_count(name, number)
    return tuple(channels)


def _norm(norm_cfg: dict, channels: int) -> nn.Module:
    """Return a norm layer for maps of so many channels."""
    if not isinstance(norm_cfg, dict):
        raise TypeError(
            f'`norm_cfg` must be a dict or None, found {norm_cfg!r} '
            f'({type(norm_cfg).__name__})'
        )
    try:
        norm = build_norm_layer(norm_cfg, channels)[1]
    except Exception as error:
        raise ValueError(
            f'`norm_cfg`={norm_cfg!r} builds no norm of {channels} channels: '
            f'{type(error).__name__}: {error}. Give the type and arguments of '
            "a norm of mmcv, dict(type='BN') for instance"
        ) from error
    if type(norm) is nn.LayerNorm:
        raise ValueError(
            f'`norm_cfg`={norm_cfg!r} builds a LayerNorm, which normalizes '
            'the last dimension of a map, not its channels: use '
            "dict(type='GN', num_groups=1)"
        )
    return norm
