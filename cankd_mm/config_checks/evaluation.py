"""Predictions are evaluated by metrics that fit them and their data."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.registry import DATASETS, METRICS, Registry

from cankd_mm.config_checks.examined_config import (
    ExaminedConfig,
)
from cankd_mm.config_checks.faults import did_you_mean, registered
from cankd_mm.config_checks.finding import Finding, error, warning
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.utils.config_walk import data_sets, metrics, type_name

_OF_BOXES = {'CocoMetric', 'VOCMetric', 'LVISMetric', 'OpenImagesMetric'}
# Detectors that predict no masks.
_WITHOUT_MASKS = {
    'ATSS',
    'AutoAssign',
    'CenterNet',
    'DDOD',
    'DETR',
    'DeformableDETR',
    'FCOS',
    'FSAF',
    'FasterRCNN',
    'FOVEA',
    'GFL',
    'PAA',
    'RepPointsDetector',
    'RetinaNet',
    'SingleStageDetector',
    'TOOD',
    'VFNet',
    'YOLOF',
    'YOLOV3',
    'YOLOX',
}


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find metrics that fail after an epoch, or compare other images."""
    if not examined.model or not examined.cfg.get('train_dataloader'):
        return  # a base that others complete
    for split in ('val', 'test'):
        yield from _incomplete(examined, split)
        name = f'{split}_evaluator'
        for key, metric in metrics(examined.cfg.get(name), name):
            yield from _metric(examined, split, key, metric)


def _incomplete(examined: ExaminedConfig, split: str) -> Iterator[Finding]:
    parts = {
        key: examined.cfg.get(key)
        for key in (
            f'{split}_dataloader',
            f'{split}_cfg',
            f'{split}_evaluator',
        )
    }
    missing = [key for key, value in parts.items() if value is None]
    if missing and len(missing) < len(parts):
        given = [key for key in parts if key not in missing]
        yield error(
            ', '.join(missing),
            f'not set, and there is {" and ".join(given)}',
            f'all of {", ".join(parts)}, or none',
            f'Set {" and ".join(missing)}, or the others to None',
        )


def _metric(
    examined: ExaminedConfig, split: str, key: str, metric: Mapping
) -> Iterator[Finding]:
    kind = _class(METRICS, metric, examined.scope)
    if kind is None:
        yield error(
            f'{key}.type',
            repr(metric['type']),
            'a registered metric',
            did_you_mean(metric['type'], registered(METRICS)),
        )
        return
    fault = _of_other_predictions(examined, key, kind)
    if fault is not None:
        yield fault
        return
    yield from _masks(examined, key, kind, metric)
    loader = examined.cfg.get(f'{split}_dataloader') or {}
    dataset = loader.get('dataset') if isinstance(loader, Mapping) else None
    found = list(data_sets(dataset, f'{split}_dataloader.dataset'))
    if len(found) != 1:
        return
    if _is_a(kind, 'CocoMetric'):
        yield from _coco(examined, key, metric, *found[0])
    elif _is_a(kind, 'VOCMetric'):
        yield from _voc(key, *found[0])


def _of_other_predictions(
    examined: ExaminedConfig, key: str, kind: type
) -> Finding | None:
    """Find a metric of boxes for a segmentor, or of labels for a detector."""
    model = examined.student and examined.student.on_meta
    if model is None:
        return None
    of_boxes = any(_is_a(kind, name) for name in _OF_BOXES)
    if of_boxes and _is_a(type(model), 'BaseSegmentor'):
        return error(
            f'{key}.type',
            f'{kind.__name__} evaluates boxes, and a {type(model).__name__} '
            'predicts a label for each pixel',
            'a metric of segmentation',
            "Take type='mmseg.IoUMetric'",
        )
    of_pixels = kind.__module__.startswith('mmseg.')
    if of_pixels and _is_a(type(model), 'BaseDetector'):
        return error(
            f'{key}.type',
            f'{kind.__name__} of mmseg evaluates a label for each pixel, and '
            f'a {type(model).__name__} predicts boxes',
            'a metric of detection',
            "Take type='mmdet.CocoMetric' or 'mmdet.VOCMetric'",
        )
    return None


def _masks(
    examined: ExaminedConfig, key: str, kind: type, metric: Mapping
) -> Iterator[Finding]:
    """Find an evaluation of masks where there are none."""
    names = metric.get('metric')
    names = names if isinstance(names, list | tuple) else [names]
    model = examined.student and examined.student.on_meta
    if not _is_a(kind, 'CocoMetric') or 'segm' not in names or model is None:
        return
    if type(model).__name__ in _WITHOUT_MASKS and not getattr(
        model, 'with_mask', False
    ):
        yield error(
            f'{key}.metric',
            f"'segm', and a {type(model).__name__} predicts no masks",
            "'bbox'",
            "Set it to 'bbox'",
        )


def _coco(
    examined: ExaminedConfig, key: str, metric: Mapping, where: str, data
) -> Iterator[Finding]:
    ann_file = metric.get('ann_file')
    if not ann_file:
        packing = _packing(data)
        if packing is not None and 'instances' not in packing:
            yield error(
                f'{key}.ann_file',
                'None, so the metric takes the objects from the data samples, '
                f'and {where}.pipeline packs none',
                "a COCO json, or 'instances' among the meta_keys of "
                'PackDetInputs',
                _remedy(data),
            )
    elif type_name(data) == 'CocoDataset' and data.get('ann_file'):
        yield from _same_file(key, ann_file, where, data)
    elif _is_a(_class(DATASETS, data, examined.scope), 'XMLDataset'):
        yield warning(
            f'{key}.type',
            f'{type_name(metric)} reads {ann_file}, and {where} is a '
            f'{type_name(data)}: the names of its images are no ids of a COCO '
            'json',
            'a metric of the same annotations',
            _remedy(data),
        )


def _same_file(
    key: str, ann_file: Any, where: str, data: Mapping
) -> Iterator[Finding]:
    try:
        found = os.path.normpath(ann_file)
        expected = os.path.join(data.get('data_root') or '', data['ann_file'])
    except TypeError:  # no text, which another check finds
        return
    if found != os.path.normpath(expected):
        yield warning(
            f'{key}.ann_file',
            ann_file,
            f'{expected}, as {where} has it',
            'Change them together',
        )


def _voc(key: str, where: str, data: Mapping) -> Iterator[Finding]:
    pipeline = data.get('pipeline')
    if not isinstance(pipeline, list | tuple) or not pipeline:
        return
    if not any('LoadAnnotations' in type_name(step) for step in pipeline):
        yield error(
            f'{key}.type',
            'VOCMetric takes the objects from the data samples, and '
            f'{where}.pipeline loads none',
            "dict(type='LoadAnnotations', with_bbox=True) in the pipeline",
            _remedy(data),
        )


def _remedy(data: Mapping) -> str:
    if 'Coco' in type_name(data):
        return "Take type='CocoMetric' with the data set's ann_file"
    return (
        "Take type='VOCMetric', metric='mAP', and load annotations in the "
        'pipeline'
    )


def _packing(data: Mapping) -> tuple | None:
    """Names of what a pipeline packs with an image; None if not known."""
    for step in data.get('pipeline') or ():
        if type_name(step) == 'PackDetInputs':
            return tuple(step.get('meta_keys') or ())
    return None


def _class(registry: Registry, config: Mapping, scope: str) -> type | None:
    kind = config.get('type')
    if not isinstance(kind, str):
        return kind
    scope = config.get('_scope_') or scope
    with quiet(), registry.switch_scope_and_registry(scope) as found:
        return found.get(kind)


def _is_a(kind: type | None, name: str) -> bool:
    """Whether a class, or a base of it, has a name."""
    return any(base.__name__ == name for base in getattr(kind, '__mro__', ()))
