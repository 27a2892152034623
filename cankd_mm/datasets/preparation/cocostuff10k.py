"""COCO-Stuff 10k: label maps from ``.mat`` to PNG, images into splits."""

from functools import cache
from pathlib import Path

import numpy as np

from cankd_mm.datasets.preparation.coco_stuff import train_ids_10k
from cankd_mm.datasets.preparation.conversion import (
    Job,
    Options,
    link_or_copy,
    make_files,
    relabel,
    write_mask,
)
from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.layout import (
    Part,
    holds_any,
    image_names,
    listed_names,
    require,
)
from cankd_mm.datasets.preparation.masks import Pairs, check_pairs
from cankd_mm.datasets.preparation.matlab import load_mat
from cankd_mm.datasets.preparation.report import Report

ARCHIVE = 'cocostuff-10k-v1.1.zip'
#: Images of the official release.
SPLITS = dict(train=9_000, test=1_000)
SUFFIX = '_labelTrainIds.png'
#: Unlabeled and 171 classes.
NUM_LABELS = 172


def prepare(report: Report, options: Options) -> None:
    """Checks a folder with COCO-Stuff 10k and makes its train ids."""
    for split, official in SPLITS.items():
        _prepare_split(report, split, official, options)


def _prepare_split(
    report: Report, split: str, official: int, options: Options
) -> None:
    images, masks = f'images/{split}2014', f'annotations/{split}2014'
    file = f'imageLists/{split}.txt'
    if (report.root / file).is_file():
        names = listed_names(report, file)
        noted = _convert(report, split, names, options)
    elif (report.root / images).is_dir():
        # Converted elsewhere: the configs read the folders, not the lists.
        names, noted = image_names(report, images, '.jpg'), ()
    else:
        require(report, Part(file, ARCHIVE))
        return
    check_pairs(
        report,
        Pairs(split, images, '.jpg', masks, SUFFIX, NUM_LABELS, official),
        names,
        f'extract {ARCHIVE} again and run this command again',
        noted,
    )


def _convert(
    report: Report, split: str, names: list[str], options: Options
) -> set[Path]:
    images, masks = report.root / 'images', report.root / 'annotations'
    noted = make_files(
        report,
        f'images of {split}2014',
        [
            Job(images / f'{name}.jpg', images / f'{split}2014/{name}.jpg')
            for name in names
        ],
        link_or_copy,
        options,
    )
    return noted | make_files(
        report,
        f'label maps of {split}2014',
        [
            Job(masks / f'{name}.mat', masks / f'{split}2014/{name}{SUFFIX}')
            for name in names
        ],
        make_mask,
        options,
    )


def make_mask(source: Path, target: Path) -> None:
    """Makes the train ids of one of the release's ``.mat`` files."""
    write_mask(relabel(load_mat(source, 'S'), _table()), target)


@cache
def _table() -> np.ndarray:
    return train_ids_10k()


DATA_SET = DataSet(
    title='COCO-Stuff 10k',
    data_root='data/coco_stuff10k',
    config='configs/_base_/datasets/coco-stuff10k.py',
    url='https://github.com/nightrome/cocostuff10k',
    is_root=holds_any(
        'imageLists', 'images/train2014', 'annotations/train2014'
    ),
    prepare=prepare,
)
