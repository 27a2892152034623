"""What is known about a data set before looking at it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cankd_mm.datasets.preparation.conversion import Options
from cankd_mm.datasets.preparation.report import Report


@dataclass(frozen=True)
class DataSet:
    """A data set that the configs use.

    Attributes:
        title: Its name.
        data_root: Where the configs look for it.
        config: The config that says so.
        url: Its official page.
        is_root: Whether a folder is the one that the configs call data root.
        prepare: Checks a folder and converts what needs it.
        own_data: Sub-command for a folder that holds other data of the kind.
    """

    title: str
    data_root: str
    config: str
    url: str
    is_root: Callable[[Path], bool]
    prepare: Callable[[Report, Options], None]
    own_data: str = 'segmentation'
