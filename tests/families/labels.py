"""The labels that a config's own training pipeline loads."""

from typing import NamedTuple

from tests.families.small_models import dicts, type_name


class Labels(NamedTuple):
    """What an image of a data set has beside its boxes."""

    masks: bool = False
    polygons: bool = False
    semantic: bool = False
    edges: bool = False
    proposals: bool = False
    texts: bool = False
    lines: bool = False


def loaded_labels(config: dict) -> Labels:
    """Read the labels off the pipelines of a whole config."""
    steps = list(dicts(config.get('train_dataloader') or {}))
    steps += list(dicts(config.get('train_pipeline') or []))
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
