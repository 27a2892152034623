"""Names of classes: those that are probably one, and files of names."""

import re
from collections import defaultdict
from collections.abc import Iterable

from cankd_mm.datasets.preparation.own.match import folded
from cankd_mm.datasets.preparation.report import Report


def report_similar_names(report: Report, classes: Iterable[str]) -> None:
    """Add classes whose names differ in case, spaces or hyphens only.

    Args:
        report: Where they are added.
        classes: The names.
    """
    alike = defaultdict(list)
    for name in classes:
        alike[re.sub(r'[\s_-]+', '', folded(name))].append(name)
    for names in alike.values():
        if len(names) > 1:
            report.remark(
                f'classes that are probably the same: '
                f'{", ".join(map(repr, names))}',
                'write one name in all labels',
            )
