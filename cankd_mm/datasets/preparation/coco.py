"""COCO 2017 detection: images and box annotations, nothing to convert."""

import json

from cankd_mm.datasets.preparation.conversion import Options
from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.layout import (
    Part,
    holds_any,
    names_in,
    require,
)
from cankd_mm.datasets.preparation.report import Report, some

#: Images of the official release.
SPLITS = dict(train2017=118_287, val2017=5_000)
#: mmdet's ``CocoDataset`` finds a category by its name. Written out here,
#: for importing mmdet takes longer than most checks.
_NAMES = (
    'person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,'
    'traffic light,fire hydrant,stop sign,parking meter,bench,bird,cat,dog,'
    'horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,'
    'tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,'
    'baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,'
    'fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,'
    'hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,'
    'toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,'
    'toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,'
    'hair drier,toothbrush'
)
CLASSES = tuple(_NAMES.split(','))


def prepare(report: Report, options: Options) -> None:
    """Checks a folder with COCO 2017, or other data in its layout."""
    names = [
        _check_split(report, split, official)
        for split, official in SPLITS.items()
    ]
    train, val = names
    if train is None or val is None:
        return
    if train != val:
        report.problem(
            'the splits list different categories, or the same in another '
            f'order: {some(train)}; {some(val)}',
            'list the same categories, in the same order, in both files of '
            'annotations',
        )
    if set(train) - set(CLASSES):
        # In the order of the file, by which mmdet numbers them.
        report.use_own_classes('coco', train)


def _check_split(
    report: Report, split: str, official: int
) -> list[str] | None:
    """Checks a split; returns its categories, None if it has no list."""
    file = f'annotations/instances_{split}.json'
    has_images = require(report, Part(split, f'{split}.zip'))
    if not require(report, Part(file, 'annotations_trainval2017.zip')):
        return None
    content = _read(report, file)
    if content is None:
        return None
    images, annotations, categories = content
    report.count(f'{split}: images listed', len(images), official)
    report.count(f'{split}: boxes', len(annotations))
    report.count(f'{split}: categories', len(categories), len(CLASSES))
    if has_images:
        there = names_in(report.root / split, '')
        report.missing(
            f'images of {split} are missing',
            (f'{split}/{name}' for name in images if name not in there),
            f'extract {split}.zip again',
        )
    return categories


def _read(report: Report, file: str) -> tuple[list, list, list] | None:
    """Names of the images, annotations and names of the categories."""
    try:
        content = json.loads((report.root / file).read_bytes())
        return (
            [image['file_name'] for image in content['images']],
            content['annotations'],
            [category['name'] for category in content['categories']],
        )
    except (ValueError, KeyError, TypeError) as error:
        report.problem(
            f'{file} cannot be read as COCO annotations: {error!r}',
            'extract annotations_trainval2017.zip again',
        )
        return None


DATA_SET = DataSet(
    title='COCO 2017',
    data_root='data/coco/',
    config='configs/_base_/datasets/coco.py',
    url='https://cocodataset.org/#download',
    is_root=holds_any('annotations/instances_train2017.json', *SPLITS),
    prepare=prepare,
    own_data='detection',
)
