"""Pascal VOC detection, and any folder in its layout; nothing to convert."""

import shlex
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from cankd_mm.datasets.preparation.conversion import Options
from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.layout import (
    Part,
    holds_any,
    listed_names,
    names_in,
    require,
)
from cankd_mm.datasets.preparation.report import Report, from_here, some

YEARS = ('VOC2007', 'VOC2012')
#: What the configs read, and the images each has in the official release.
DEVKIT_SPLITS = {
    ('VOC2007', 'trainval'): 5_011,
    ('VOC2012', 'trainval'): 11_540,
    ('VOC2007', 'test'): 4_952,
}
ARCHIVES = {
    ('VOC2007', 'trainval'): 'VOCtrainval_06-Nov-2007.tar',
    ('VOC2012', 'trainval'): 'VOCtrainval_11-May-2012.tar',
    ('VOC2007', 'test'): 'VOCtest_06-Nov-2007.tar',
}
SINGLE_SPLITS = ('train', 'val', 'trainval', 'test')
#: mmdet's ``VOCDataset`` finds a class by its name. Written out here, for
#: importing mmdet takes longer than most checks.
_NAMES = (
    'aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog '
    'horse motorbike person pottedplant sheep sofa train tvmonitor'
)
CLASSES = tuple(_NAMES.split())


def prepare(report: Report, options: Options) -> None:
    """Checks a VOCdevkit, or a folder with the layout of one of its years."""
    if _is_single(report.root):
        _check_single(report)
    else:
        _check_devkit(report)


def _is_root(folder: Path) -> bool:
    return holds_any(*YEARS)(folder) or _is_single(folder)


def _is_single(folder: Path) -> bool:
    """Whether a folder has VOC's layout and is no year of the devkit."""
    parts = ('Annotations', 'JPEGImages', 'ImageSets/Main')
    has_layout = all((folder / part).is_dir() for part in parts)
    return has_layout and folder.name not in YEARS


def _check_devkit(report: Report) -> None:
    objects = {}
    for (year, split), official in DEVKIT_SPLITS.items():
        # The archives hold VOCdevkit/<year>.
        part = Part(
            f'{year}/ImageSets/Main/{split}.txt', ARCHIVES[year, split], '..'
        )
        if require(report, part):
            remedy = f'extract {part.archive} again'
            objects |= _check_split(
                report, f'{year}/', split, official, remedy
            )
    report.classes = _summed(objects)
    unknown = sorted(set(report.classes) - set(CLASSES))
    if unknown:
        report.problem(
            f"the annotations name classes that are not VOC's: "
            f'{some(unknown)}',
            'the data sets of the configs would skip their boxes: name all '
            'classes in your config: '
            f'classes = {tuple(sorted(report.classes))}',
        )


def _check_single(report: Report) -> None:
    splits = [
        split
        for split in SINGLE_SPLITS
        if (report.root / f'ImageSets/Main/{split}.txt').is_file()
    ]
    if not splits:
        report.problem(
            f'none of {", ".join(SINGLE_SPLITS)}.txt is in ImageSets/Main',
            'have a split made: python tools/prepare_data.py detection '
            + shlex.quote(str(from_here(report.root))),
        )
    remedy = 'add or mend the files, or take the names out of the list'
    objects = {}
    for split in splits:
        objects |= _check_split(report, '', split, None, remedy)
    report.classes = _summed(objects)
    if report.classes:
        report.use_own_classes('voc0712', sorted(report.classes))


def _check_split(
    report: Report,
    folder: str,
    split: str,
    official: int | None,
    remedy: str,
) -> dict[str, Counter]:
    """Checks and counts what a split list names.

    Returns:
        By annotation file, how many objects of each class it has.
    """
    names = listed_names(report, f'{folder}ImageSets/Main/{split}.txt')
    images = names_in(report.root / f'{folder}JPEGImages', '.jpg')
    files = names_in(report.root / f'{folder}Annotations', '.xml')
    objects, faults = {}, []
    for name in names:
        if name in files:
            path = f'{folder}Annotations/{name}.xml'
            try:
                objects[path] = _objects(report.root / path)
            except ValueError as error:
                faults.append(f'{path} ({error})')
    label = f'{folder}{split}'
    report.count(f'{label}: images listed', len(names), official)
    report.count(f'{label}: objects', sum(_summed(objects).values()))
    report.missing(
        f'images of {label} are missing',
        (f'{folder}JPEGImages/{n}.jpg' for n in names if n not in images),
        remedy,
    )
    report.missing(
        f'annotations of {label} are missing',
        (f'{folder}Annotations/{n}.xml' for n in names if n not in files),
        remedy,
    )
    report.missing(f'annotations of {label} cannot be read', faults, remedy)
    return objects


def _summed(objects: dict[str, Counter]) -> dict[str, int]:
    return dict(sum(objects.values(), Counter()))


def _objects(path: Path) -> Counter:
    """How many objects of each class an annotation file has.

    Raises:
        ValueError: It is no annotation that mmdet's data set could read.
    """
    try:
        objects = ET.parse(path).getroot().findall('object')
        for item in objects:
            box = item.find('bndbox')
            for side in ('xmin', 'ymin', 'xmax', 'ymax'):
                float(box.find(side).text)
        return Counter(item.find('name').text for item in objects)
    except ET.ParseError as error:
        raise ValueError(f'no XML: {error}') from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f'an object without name or box: {error}') from error


DATA_SET = DataSet(
    title='Pascal VOC detection',
    data_root='data/VOCdevkit/',
    config='configs/_base_/datasets/voc0712.py',
    url='http://host.robots.ox.ac.uk/pascal/VOC/',
    is_root=_is_root,
    prepare=prepare,
    own_data='detection',
)
