"""``image_scale`` at the top of a config reaches every ``Resize`` step."""

from collections.abc import Mapping, MutableMapping

from mmengine.config import Config

from cankd_mm.config.own_data.ancestors import Ancestors
from cankd_mm.datasets.prepared import SPLITS
from cankd_mm.utils.config_walk import dicts, type_name


def set_image_scale(cfg: Config, ancestors: Ancestors) -> None:
    """Set the ``scale`` of the ``Resize`` steps of a detector's pipelines.

    A step that the config itself gives another scale keeps it.

    Args:
        cfg: A whole config; changed in place.
        ancestors: Its file and bases.

    Raises:
        ValueError: ``image_scale`` is no pair of whole numbers, or no
            pipeline resizes to one scale, the same in all of them.
    """
    scale = cfg.get('image_scale')
    if scale is None:
        return
    if not (
        isinstance(scale, list | tuple)
        and len(scale) == 2
        and all(type(side) is int and side > 0 for side in scale)
    ):
        raise ValueError(
            f'image_scale={scale!r}, expected two whole numbers: the longest '
            'width and height of an image in pixels, such as (1333, 800); on '
            'the command line: image_scale=1333,800'
        )
    scale = tuple(scale)
    steps = _resize_steps(cfg, scale)
    if all(_scale_of(step) == scale for step in steps):
        return
    formers = [
        tuple(former)
        for content in ancestors.contents
        if isinstance(former := content.get('image_scale'), list | tuple)
    ]
    if set(formers) <= {scale}:
        if formers[1:]:
            return  # as it was: other scales are the config's own
        # No base has a name for it: all steps have one other scale.
        formers = list({_scale_of(step) for step in steps})
        if len(formers) != 1 or None in formers:
            raise ValueError(
                f'image_scale={scale!r}: the pipelines of this config have '
                f"'Resize' steps with the scales {formers}, expected one. Set "
                'the sizes in its own steps, and take image_scale out'
            )
    for step in steps:
        if _scale_of(step) in formers:
            step['scale'] = scale


def _scale_of(step: Mapping) -> tuple[int, int] | None:
    scale = step['scale']
    return tuple(scale) if isinstance(scale, list | tuple) else None


def _resize_steps(cfg: Config, scale: tuple[int, int]) -> list[MutableMapping]:
    """Return the ``Resize`` steps of all pipelines.

    Raises:
        ValueError: A dataloader has none.
    """
    found = []
    for split in SPLITS:
        loader = f'{split}_dataloader'
        if not cfg.get(loader):
            continue
        steps = [
            part
            for _, part in dicts(cfg[loader])
            if type_name(part) == 'Resize' and 'scale' in part
        ]
        if not steps:
            raise ValueError(
                f"image_scale={scale!r}: {loader} has no 'Resize' step with a "
                'scale to set. Set the sizes where its own steps have them, '
                'and take image_scale out'
            )
        found += steps
    return found
