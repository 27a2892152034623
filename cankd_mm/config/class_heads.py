"""Which class counts the heads of a model and a data set state."""

import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS

from cankd_mm.utils.config_walk import data_sets, dicts, type_name

# Heads that classify the data set's classes: of detectors and of segmentors.
_HEAD = re.compile(
    r'^(bbox_head|mask_head|roi_head\.(bbox|mask)_head|decode_head'
    r'|auxiliary_head)(\.\d+)?$'
)
# Their `num_classes` is something else: edges, tokens of a text, things and
# stuff.
_OTHER_COUNTS = re.compile(r'STDC|Grounding|VLFusion|GLIP|Semantic|CLIP')


def class_counts(model: Mapping) -> dict[str, int]:
    """Return ``num_classes`` of every head whose classes are the data set's.

    Args:
        model: A detector's or a segmentor's config.

    Returns:
        The counts by the heads' keys inside ``model``. Class-agnostic heads,
        and heads that count something else, are left out.
    """
    return {
        key: head['num_classes']
        for key, head in dicts(model)
        if _HEAD.match(key)
        and isinstance(head.get('num_classes'), int)
        and not counts_other_things(head)
        and not _is_class_agnostic(head)
    }


def counts_other_things(head: Mapping) -> bool:
    """Whether ``num_classes`` of a head is not a number of classes."""
    return bool(_OTHER_COUNTS.search(type_name(head)))


def _is_class_agnostic(head: Mapping) -> bool:
    """Whether a head tells objects from background only."""
    return head['num_classes'] == 1 or bool(head.get('class_agnostic'))


def class_count_of(data: Mapping, scope: str) -> int | None:
    """Return how many classes a data set has.

    Args:
        data: Its config.
        scope: The registry scope that its type is looked up in.

    Returns:
        None where that is not certain: a type of one's own, or classes that
        a file lists which is not there.
    """
    classes = (data.get('metainfo') or {}).get('classes')
    if classes is None:
        kind, scope = data['type'], data.get('_scope_') or scope
        if isinstance(kind, str):
            kind = DATASETS.get(kind if '.' in kind else f'{scope}.{kind}')
        metainfo = getattr(kind, 'METAINFO', None) or {}
        # Of panoptic data a detector's head has only the things.
        classes = metainfo.get('thing_classes') or metainfo.get('classes')
    if isinstance(classes, str):  # a file with a name in each line
        if not Path(classes).is_file():
            return None
        classes = names_in_file(classes)
    return len(classes) if isinstance(classes, list | tuple) else None


def names_in_file(path: str) -> list[str]:
    """Return the names of classes in a file that has one in each line."""
    lines = Path(path).read_text(encoding='utf-8').split('\n')
    return [line.strip() for line in lines if line.strip()]


def dataset_classes(cfg: Config) -> tuple[str, int] | None:
    """Return the key of the training data, and how many classes they have.

    Args:
        cfg: A whole config.

    Returns:
        None where that is not certain: several data sets that disagree, or
        one of which :func:`class_count_of` is not certain.
    """
    loader = cfg.get('train_dataloader') or {}
    scope = cfg.get('default_scope') or 'mmengine'
    found = {
        key: class_count_of(data, scope)
        for key, data in data_sets(
            loader.get('dataset'), 'train_dataloader.dataset'
        )
    }
    if not found or len(set(found.values())) > 1:
        return None
    key, count = next(iter(found.items()))
    return None if count is None else (key, count)
