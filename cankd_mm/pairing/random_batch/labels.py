"""The labels that a config's own training pipeline loads."""

from collections.abc import Mapping
from typing import NamedTuple

from cankd_mm.utils.config_walk import dicts, type_name


class Labels(NamedTuple):
    """What an image of a data set has beside its boxes or its label map."""

    masks: bool = False
    polygons: bool = False
    semantic: bool = False
    edges: bool = False
    proposals: bool = False
    texts: bool = False
    lines: bool = False


def loaded_labels(config: Mapping) -> Labels:
    """Read the labels off the pipelines of a whole config.

    Args:
        config: It has a ``train_dataloader`` or a ``train_pipeline``.
    """
    steps = [step for _, step in dicts(config.get('train_dataloader') or {})]
    steps += [step for _, step in dicts(config.get('train_pipeline') or [])]
    kinds = {type_name(step) for step in steps}
    loads = [s for s in steps if type_name(s).startswith('Load')]
    panoptic = 'LoadPanopticAnnotations' in kinds
    return Labels(
        masks=panoptic or any(s.get('with_mask') for s in loads),
        polygons=any(
            s.get('with_mask') and not s.get('poly2mask', True) for s in loads
        )
        # A random crop of copied objects, for instance, needs bit maps.
        and not panoptic,
        semantic=panoptic or any(s.get('with_seg') for s in loads),
        edges='GenerateEdge' in kinds,
        proposals='LoadProposals' in kinds,
        lines='LinesToArray' in kinds,
        texts=bool(kinds & {'LoadTextAnnotations', 'RandomSamplingNegPos'}),
    )


def label_classes(model: Mapping) -> int:
    """Return how many classes every head of a model can be given.

    Args:
        model: The model's config.
    """
    parts = [part for _, part in dicts(model)]
    things = [p.get('num_things_classes') for p in parts]
    if any(things):
        return next(filter(None, things))
    counts = [p.get('num_classes') for p in parts]
    return min((c for c in counts if isinstance(c, int)), default=1)
