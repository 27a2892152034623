"""Lays the patch tokens of a transformer out as a map."""

from collections.abc import Sequence

from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import Tensor

from cankd_mm.utils.arguments import check_weight
from cankd_mm.utils.levels import check_not_empty, map_levels

# Aspect ratios are rounded, by hand and by the padding of images.
TOLERANCE = 0.05


@MODELS.register_module()
class TokenMapConnector(BaseConnector):
    r"""Patch tokens to a feature map; class tokens are dropped.

    Backbones of MMSegmentation and MMDetection put out maps already. This is
    for what is recorded inside them, ``backbone.ln1`` of a ViT for instance.
    A record does not say how many rows of patches an image has, so that it
    must follow from their number and the image's shape.

    Args:
        num_extra_tokens: Tokens before the patches: 1 for ViT, 2 for a
            distilled DeiT, 0 for Swin and PVT. Defaults to 1.
        aspect_ratio: Height over width of the images, as padded for the
            network: 0.5 for 512x1024; right to a few percent. Defaults to
            1.0.
        init_cfg: Accepted by every connector; there is nothing to initialise.
            Defaults to None.

    Shape:
        - feature: :math:`(B, E + h w, D)`, or a tuple of them
        - output: :math:`(B, D, h, w)`; a tuple for a tuple

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument has the wrong type.

    Source: CSKD (ICCV 2023), which has 14 x 14 patches; other numbers are
    our completion.

    Examples:
        .. code-block:: python

            connectors=dict(
                classify=[
                    dict(type='TokenMapConnector', num_extra_tokens=1),
                    dict(type='PatchClassifierConnector', num_classes=21),
                ]
            )
    """

    def __init__(
        self,
        num_extra_tokens: int = 1,
        aspect_ratio: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not isinstance(num_extra_tokens, int) or isinstance(
            num_extra_tokens, bool
        ):
            raise TypeError(
                '`num_extra_tokens` must be an integer of at least 0, found '
                f'{num_extra_tokens!r} ({type(num_extra_tokens).__name__})'
            )
        if num_extra_tokens < 0:
            raise ValueError(
                '`num_extra_tokens` must be an integer of at least 0, found '
                f'{num_extra_tokens}'
            )
        check_weight('aspect_ratio', aspect_ratio)
        if aspect_ratio == 0:
            raise ValueError('`aspect_ratio` must be positive, found 0')
        self.num_extra_tokens = num_extra_tokens
        self.aspect_ratio = aspect_ratio

    def forward_train(
        self, feature: Tensor | Sequence[Tensor]
    ) -> Tensor | tuple[Tensor, ...]:
        """Lays out the tokens of one layer, or of each of several.

        Args:
            feature: The tokens.

        Returns:
            Their map, or a tuple of maps.

        Raises:
            ValueError: These tokens do not fill a grid of that shape, are
                empty, or not of a floating point type.
            TypeError: They are not a tensor.
        """
        return map_levels(self._lay_out, feature)

    def _lay_out(self, tokens: Tensor) -> Tensor:
        if tokens.dim() != 3:
            raise ValueError(
                '`feature` must have shape (B, tokens, D), found '
                f'{tuple(tokens.shape)}'
            )
        height, width = self._grid(tokens)
        check_not_empty(tokens, 'feature')
        patches = tokens[:, self.num_extra_tokens :]
        return patches.transpose(1, 2).unflatten(2, (height, width))

    def _grid(self, tokens: Tensor) -> tuple[int, int]:
        """Rows and columns of the patches."""
        patches = tokens.size(1) - self.num_extra_tokens
        found = max(patches, 0)
        height = round(max(found * self.aspect_ratio, 1) ** 0.5)
        width = found // height
        rounding = abs(width - height / self.aspect_ratio)
        if (
            not found
            or height * width != found
            or rounding > max(0.5, TOLERANCE * width)
        ):
            raise ValueError(
                f'`feature` has shape {tuple(tokens.shape)}: without '
                f'{self.num_extra_tokens} extra token(s) {patches} patches '
                f'are left, which fill no grid with height / width '
                f'{self.aspect_ratio:g}. Correct `num_extra_tokens` or '
                '`aspect_ratio`, or record a module that puts out a map'
            )
        return height, width
