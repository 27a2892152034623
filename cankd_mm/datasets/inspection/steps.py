"""The steps of a pipeline, and what they mean for its annotations."""

from collections.abc import Iterator, Mapping
from typing import Any

_LIBRARIES = {'cankd_mm', 'mmcv', 'mmdet', 'mmengine', 'mmseg'}
_NESTED = ('transforms', 'branch_pipelines')


def all_steps(pipeline: Any) -> Iterator[Any]:
    """Return the steps of a pipeline and those nested in them.

    Args:
        pipeline: A ``Compose``, a list or a dict of steps; None has none.
    """
    if isinstance(pipeline, Mapping):
        pipeline = list(pipeline.values())
    if isinstance(pipeline, list | tuple):
        for step in pipeline:
            yield from all_steps(step)
    # A step may keep configs, too.
    elif callable(pipeline):
        yield pipeline
        for name in _NESTED:
            yield from all_steps(getattr(pipeline, name, None))


def own_steps(steps: list) -> list[str]:
    """Return the names of the steps that are the user's own."""
    return [type(s).__name__ for s in steps if is_own(type(s))]


def is_own(kind: Any) -> bool:
    """Return whether a class or function is the user's own."""
    module = getattr(kind, '__module__', None) or ''
    return module.partition('.')[0] not in _LIBRARIES


def loads_annotations(steps: list) -> bool:
    """Return whether a step loads what the annotation file has."""
    return any(
        name.startswith('Load')
        and 'Image' not in name
        and name != 'LoadEmptyAnnotations'
        for name in (type(step).__name__ for step in steps)
    )


def loads_no_annotations(steps: list) -> bool:
    """Return whether it is certain that no step loads annotations.

    Images without labels of a semi-supervised training have such a pipeline.
    Steps of the user's own and of wrappers may load them.
    """
    loads_images = any('LoadImage' in type(s).__name__ for s in steps)
    if not loads_images or loads_annotations(steps):
        return False
    has_empty = any(type(s).__name__ == 'LoadEmptyAnnotations' for s in steps)
    return has_empty or not own_steps(steps)


def box_filters(steps: list) -> list[str]:
    """Return the names of the steps that may remove boxes without a size."""
    filters = [
        type(step).__name__
        for step in steps
        if 'Filter' in type(step).__name__ and getattr(step, 'by_box', True)
    ]
    return list(dict.fromkeys(filters + own_steps(steps)))
