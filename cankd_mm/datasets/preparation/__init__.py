"""Checks data sets on disk, and converts what needs converting.

``tools/prepare_data.py`` is the command line; ``docs/datasets.md`` shows the
layouts.
"""

import os
import shlex
from pathlib import Path

from cankd_mm.datasets.preparation import (
    cityscapes,
    coco,
    cocostuff10k,
    cocostuff164k,
    voc,
    voc_aug,
)
from cankd_mm.datasets.preparation.conversion import Options
from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.layout import (
    at_wrong_level,
    holds_other_data,
)
from cankd_mm.datasets.preparation.own import (
    OWN_DATA,
    OwnOptions,
    prepare_own,
)
from cankd_mm.datasets.preparation.report import Report, from_here

__all__ = [
    'DATA_SETS',
    'OWN_DATA',
    'DataSet',
    'Options',
    'OwnOptions',
    'Report',
    'prepare',
    'prepare_own',
]

#: By the name of their sub-command.
DATA_SETS = dict(
    coco=coco.DATA_SET,
    voc=voc.DATA_SET,
    voc_aug=voc_aug.DATA_SET,
    cocostuff10k=cocostuff10k.DATA_SET,
    cocostuff164k=cocostuff164k.DATA_SET,
    cityscapes=cityscapes.DATA_SET,
)


def prepare(name: str, root: Path, options: Options | None = None) -> Report:
    """Checks a data set, and makes what the configs need of it.

    Args:
        name: A key of ``DATA_SETS``.
        root: The folder that the configs call data root.
        options: How; by default converts in one process.

    Returns:
        What is there, what is missing and what to do.
    """
    data_set = DATA_SETS[name]
    root = Path(os.path.abspath(root))
    report = Report(data_set.title, root, data_set.url)
    if not (
        at_wrong_level(report, data_set) or holds_other_data(report, data_set)
    ):
        data_set.prepare(report, options or Options())
    if not report.usage:
        report.usage = _usage(data_set, root)
    return report


def _usage(data_set: DataSet, root: Path) -> list[str]:
    """How the configs find a data set that lies elsewhere."""
    default = Path(data_set.data_root)
    if root.resolve() == default.resolve():
        return []
    full = str(root)
    end = '/' if data_set.data_root.endswith('/') else ''
    lines = [f'The configs look in {data_set.data_root}.']
    if not os.path.lexists(default):
        link = shlex.join(['ln', '-s', full, str(default)])
        lines += ['Link it:', f'  mkdir -p {default.parent} && {link}']
    return [
        *lines,
        'Or set, in a config of your own with one of ours as its _base_, or '
        'with --cfg-options:',
        f'  data_root = {str(from_here(root)) + end!r}',
    ]
