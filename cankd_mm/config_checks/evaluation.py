"""Predictions are compared to the annotations of the same images."""

import os
from collections.abc import Iterator, Mapping

from cankd_mm.config_checks.examined_config import (
    ExaminedConfig,
    type_name,
)
from cankd_mm.config_checks.finding import Finding, warning
from cankd_mm.utils.config_walk import dicts


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds a COCO metric that reads another annotation file."""
    for split in ('val', 'test'):
        loader = examined.cfg.get(f'{split}_dataloader') or {}
        data = loader.get('dataset') if isinstance(loader, Mapping) else None
        if type_name(data) != 'CocoDataset' or not data.get('ann_file'):
            continue
        ours = os.path.join(data.get('data_root') or '', data['ann_file'])
        key = f'{split}_evaluator'
        for where, metric in dicts(examined.cfg.get(key), key):
            theirs = metric.get('ann_file')
            if type_name(metric) != 'CocoMetric' or not theirs:
                continue
            if os.path.normpath(theirs) != os.path.normpath(ours):
                yield warning(
                    f'{where}.ann_file',
                    theirs,
                    f'{ours}, as {split}_dataloader.dataset has it',
                    'Change them together',
                )
