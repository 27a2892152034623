"""``image_scale`` at the top of a config reaches every ``Resize`` step."""

from collections.abc import Iterator, MutableMapping

from mmengine.config import Config

from cankd_mm.config.own_data.places import SPLITS, type_name
from cankd_mm.utils.config_walk import dicts


def set_image_scale(cfg: Config) -> None:
    """Set the ``scale`` of every ``Resize`` step of a detector's pipelines.

    Args:
        cfg: A whole config; changed in place.

    Raises:
        ValueError: ``image_scale`` is no pair of whole numbers, or no
            pipeline resizes to one scale.
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
    steps = list(_resize_steps(cfg))
    if not steps:
        raise ValueError(
            f'image_scale={scale!r}: no pipeline of this config has a '
            "'Resize' step with a scale. Set the sizes where its own steps "
            'have them, and take image_scale out'
        )
    for step in steps:
        step['scale'] = tuple(scale)


def _resize_steps(cfg: Config) -> Iterator[MutableMapping]:
    for split in SPLITS:
        for _, part in dicts(cfg.get(f'{split}_dataloader')):
            if type_name(part) == 'Resize' and 'scale' in part:
                yield part
