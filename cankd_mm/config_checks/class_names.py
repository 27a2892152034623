"""The classes of a data set are a sequence of names."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error
from cankd_mm.datasets.prepared import SPLITS
from cankd_mm.utils.config_walk import dicts

_EXPECTED = 'a sequence of names'


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find ``classes=('one')``, which is text: its letters are the classes."""
    for split in SPLITS:
        loader = f'{split}_dataloader'
        for key, part in dicts(examined.cfg.get(loader), loader):
            metainfo = part.get('metainfo')
            if isinstance(metainfo, Mapping) and 'classes' in metainfo:
                yield from _names(
                    f'{key}.metainfo.classes', metainfo['classes']
                )


def _names(key: str, classes: Any) -> Iterator[Finding]:
    if isinstance(classes, str):
        # MMEngine reads a file, where there is one, with a name in each line.
        if not Path(classes).suffix and not Path(classes).exists():
            yield error(
                key,
                f'{classes!r}, text: each of its letters is a class',
                _EXPECTED,
                f'With a comma it is one name: classes=({classes!r},)',
            )
    elif not isinstance(classes, Sequence) or not all(
        isinstance(name, str) for name in classes
    ):
        yield error(key, repr(classes), _EXPECTED, "classes=('cat', 'dog')")
