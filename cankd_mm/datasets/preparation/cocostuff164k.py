"""COCO-Stuff 164k: train ids from the pixel maps."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from cankd_mm.datasets.preparation.coco_stuff import train_ids_164k
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

MAPS = 'stuffthingmaps_trainval2017.zip'
#: Images of the official release.
SPLITS = dict(train2017=118_287, val2017=5_000)
SUFFIX = '_labelTrainIds.png'
NUM_LABELS = 171


def prepare(report: Report, options: Options) -> None:
    """Checks a folder with COCO-Stuff 164k and makes its train ids."""
    for split, official in SPLITS.items():
        _prepare_split(report, split, official, options)


def _prepare_split(
    report: Report, split: str, official: int, options: Options
) -> None:
    images, masks = f'images/{split}', f'annotations/{split}'
    parts = (
        Part(images, f'{split}.zip', 'images'),
        Part(masks, MAPS, 'annotations'),
    )
    if not all([require(report, part) for part in parts]):
        return
    names = image_names(report, images, '.jpg')
    folder = report.root / masks
    noted = make_files(
        report,
        f'label maps of {split}',
        [
            Job(folder / f'{name}.png', folder / f'{name}{SUFFIX}')
            for name in sorted(names)
        ],
        make_mask,
        options,
    )
    check_pairs(
        report,
        Pairs(split, images, '.jpg', masks, SUFFIX, NUM_LABELS, official),
        names,
        f'extract {MAPS} into {report.root / "annotations"} again and run '
        'this command again',
        noted,
    )


def make_mask(source: Path, target: Path) -> None:
    """Makes the train ids of one of the release's pixel maps."""
    write_mask(relabel(np.asarray(Image.open(source)), _table()), target)


@cache
def _table() -> np.ndarray:
    return train_ids_164k()


DATA_SET = DataSet(
    title='COCO-Stuff 164k',
    data_root='data/coco_stuff164k',
    config='configs/_base_/datasets/coco-stuff164k.py',
    url='https://github.com/nightrome/cocostuff',
    is_root=holds_any(
        'images/train2017', 'annotations/train2017', 'images/val2017'
    ),
    prepare=prepare,
)
