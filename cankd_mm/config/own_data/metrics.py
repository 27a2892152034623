"""The metric of a recipe goes with the data that it is given."""

import os
from collections.abc import Mapping, MutableMapping

from mmengine.config import Config

from cankd_mm.config.own_data.places import data_sets_of, first_of_each
from cankd_mm.datasets.prepared import PreparedData
from cankd_mm.utils.config_walk import metrics, type_name

# Metrics of mmdet and mmseg that read the annotations of one public data set.
_OF_A_DATA_SET = {
    'CityScapesMetric',
    'CityscapesMetric',
    'CocoMetric',
    'CocoPanopticMetric',
    'CrowdHumanMetric',
    'LVISMetric',
    'OpenImagesMetric',
    'VOCMetric',
}


def use_metrics(cfg: Config, prepared: PreparedData | None) -> None:
    """Set the metrics of ``val_evaluator`` and ``test_evaluator``.

    Predictions on a ``CocoDataset`` are compared to its own file, those on a
    ``VOCDataset`` to its boxes; a segmentor's get an IoU. Metrics of other
    data stay out. Metrics of a kind of one's own are left as they are.

    Args:
        cfg: Its data sets are adapted already; changed in place.
        prepared: The prepared folder; None for one in VOC's layout.
    """
    kinds = {split: data for split, _, data in data_sets_of(cfg)}
    for split in ('val', 'test'):
        data = kinds.get(split)
        if data is None:
            continue
        key = f'{split}_evaluator'
        for _, metric in metrics(cfg.get(key), key):
            if type_name(metric) in _OF_A_DATA_SET:
                _use(metric, data, prepared)
        if isinstance(cfg.get(key), list | tuple):
            cfg[key] = first_of_each(cfg[key], _kind_of)
    if prepared is None:
        _follow_best(cfg, 'coco/', 'pascal_voc/mAP')
    elif prepared.task == 'detection':
        _follow_best(cfg, 'pascal_voc/', 'coco/bbox_mAP')


def _kind_of(metric: Mapping) -> str | None:
    """Return the name of a metric of which one is enough."""
    name = type_name(metric)
    return name if name in _OF_A_DATA_SET | {'IoUMetric'} else None


def _use(
    metric: MutableMapping,
    data: MutableMapping,
    prepared: PreparedData | None,
) -> None:
    kind = type_name(data)
    scope = {k: v for k, v in metric.items() if k == '_scope_'}
    if kind == 'CocoDataset':
        if type_name(metric) != 'CocoMetric':
            metric.clear()
            metric.update(type='CocoMetric', metric='bbox', **scope)
        metric['ann_file'] = os.path.join(data['data_root'], data['ann_file'])
    elif kind == 'VOCDataset' and type_name(metric) != 'VOCMetric':
        metric.clear()
        metric.update(
            type='VOCMetric', metric='mAP', eval_mode='area', **scope
        )
    elif kind == 'BaseSegDataset':
        metric.clear()
        metric.update(type='IoUMetric', iou_metrics=['mIoU'], **scope)


def _follow_best(cfg: Config, prefix: str, name: str) -> None:
    """Let the best checkpoint follow the metric that there is."""
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    best = checkpoint.get('save_best')
    if isinstance(best, str) and best.startswith(prefix):
        checkpoint['save_best'] = name
