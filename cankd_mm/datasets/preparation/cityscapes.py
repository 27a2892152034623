"""Cityscapes: train ids from the fine label maps."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from cankd_mm.datasets.preparation.conversion import (
    Job,
    Options,
    make_files,
    relabel,
    write_mask,
)
from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.layout import (
    Part,
    holds_any,
    image_names,
    require,
)
from cankd_mm.datasets.preparation.masks import Pairs, check_pairs
from cankd_mm.datasets.preparation.report import Report

IMAGES, LABELS = 'leftImg8bit_trainvaltest.zip', 'gtFine_trainvaltest.zip'
#: Images of the official release. The labels of its test split are not
#: public.
SPLITS = dict(train=2_975, val=500)
IMAGE_SUFFIX = '_leftImg8bit.png'
SUFFIX = '_gtFine_labelTrainIds.png'
#: The ids of the 19 classes that are evaluated, in the order of their train
#: ids; the other ids up to 33 are ignored. Source: the benchmark's own table,
#: ``cityscapesscripts/helpers/labels.py``.
IDS = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)


def prepare(report: Report, options: Options) -> None:
    """Checks a folder with Cityscapes and makes its train ids."""
    for split, official in SPLITS.items():
        _prepare_split(report, split, official, options)


def _prepare_split(
    report: Report, split: str, official: int, options: Options
) -> None:
    images, masks = f'leftImg8bit/{split}', f'gtFine/{split}'
    parts = (Part(images, IMAGES), Part(masks, LABELS))
    if not all([require(report, part) for part in parts]):
        return
    names = image_names(report, images, IMAGE_SUFFIX)
    folder = report.root / masks
    noted = make_files(
        report,
        f'label maps of {split}',
        [
            Job(
                folder / f'{name}_gtFine_labelIds.png',
                folder / f'{name}{SUFFIX}',
            )
            for name in sorted(names)
        ],
        make_mask,
        options,
    )
    check_pairs(
        report,
        Pairs(split, images, IMAGE_SUFFIX, masks, SUFFIX, len(IDS), official),
        names,
        f'extract {LABELS} again and run this command again',
        noted,
    )


def make_mask(source: Path, target: Path) -> None:
    """Makes the train ids of one of the release's label maps."""
    write_mask(relabel(np.asarray(Image.open(source)), train_ids()), target)


@cache
def train_ids() -> np.ndarray:
    """Train id of each id; -1 for ids that do not occur."""
    table = np.full(256, -1)
    table[:34] = 255
    table[list(IDS)] = np.arange(len(IDS))
    return table


DATA_SET = DataSet(
    title='Cityscapes',
    data_root='data/cityscapes/',
    config='configs/_base_/datasets/cityscapes.py',
    url='https://www.cityscapes-dataset.com/downloads/',
    is_root=holds_any('leftImg8bit', 'gtFine'),
    prepare=prepare,
)
