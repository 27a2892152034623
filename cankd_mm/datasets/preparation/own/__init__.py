"""Prepares a folder of a user's own: photos with boxes, or with masks.

One mechanism for all layouts: find the images, find the labels, match them by
name, assign splits, decode everything, and write beside the data what the
runners read.
"""

import os
from pathlib import Path

from cankd_mm.datasets.preparation.own.detection import prepare_detection
from cankd_mm.datasets.preparation.own.options import OwnOptions
from cankd_mm.datasets.preparation.own.output import is_writable
from cankd_mm.datasets.preparation.own.segmentation import (
    prepare_segmentation,
)
from cankd_mm.datasets.preparation.report import Report

__all__ = ['OWN_DATA', 'OwnOptions', 'prepare_own']

#: By the name of their sub-command: a title, and what prepares them.
OWN_DATA = dict(
    detection=('Photos with boxes', prepare_detection),
    segmentation=('Photos with label maps', prepare_segmentation),
)


def prepare_own(
    task: str, root: Path, options: OwnOptions | None = None
) -> Report:
    """Check a folder of a user's own, and write what the runners need.

    Args:
        task: 'detection' or 'segmentation'.
        root: The folder.
        options: How; by default decodes in one process.

    Returns:
        What is there, what was left out and why, and the lines for a config.
    """
    options = options or OwnOptions()
    title, prepare = OWN_DATA[task]
    report = Report(title, Path(os.path.abspath(root)))
    if not report.root.is_dir():
        report.problem(
            f'no folder {report.root}', 'give the folder with the images'
        )
    elif is_writable(report, options):
        prepare(report, options)
    return report
