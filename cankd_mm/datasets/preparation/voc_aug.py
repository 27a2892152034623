"""Pascal VOC 2012 segmentation with the masks of SBD.

The Semantic Boundaries Dataset labels 11,355 images of VOC. Its masks become
``SegmentationClassAug/*.png``, and ``aug.txt`` names those that VOC itself
uses neither for training nor for validation: the same files that mmseg's
converter makes, whose configs read them.
"""

from pathlib import Path

import numpy as np

from cankd_mm.datasets.preparation.conversion import (
    Job,
    Options,
    make_files,
    relabel,
    write_lines,
    write_mask,
)
from cankd_mm.datasets.preparation.data_set import DataSet
from cankd_mm.datasets.preparation.layout import (
    Part,
    holds_any,
    listed_names,
    require,
)
from cankd_mm.datasets.preparation.masks import Pairs, check_pairs
from cankd_mm.datasets.preparation.matlab import load_mat
from cankd_mm.datasets.preparation.report import Report

ARCHIVE = 'VOCtrainval_11-May-2012.tar'
SBD_URL = 'http://home.bharathh.info/pubs/codes/SBD/download.html'
LISTS = 'ImageSets/Segmentation'
#: Each split's masks, and the images it has in the official releases.
SPLITS = dict(
    train=('SegmentationClass', 1_464),
    val=('SegmentationClass', 1_449),
    aug=('SegmentationClassAug', 9_118),
)
#: Background and 20 classes.
NUM_LABELS = 21
#: Where SBD is looked for, seen from VOC2012: mmseg's place, and the
#: archive's own.
SBD_PLACES = ('../VOCaug', '../benchmark_RELEASE', '../../benchmark_RELEASE')


def prepare(report: Report, options: Options) -> None:
    """Checks a VOC2012 folder and makes the augmented masks."""
    # The archive holds VOCdevkit/VOC2012.
    paths = ['JPEGImages', 'SegmentationClass']
    paths += [f'{LISTS}/train.txt', f'{LISTS}/val.txt']
    if not all([require(report, Part(p, ARCHIVE, '../..')) for p in paths]):
        return
    sbd = _find_sbd(report, options)
    noted = _convert(report, sbd, options) if sbd else set()
    for split, (masks, official) in SPLITS.items():
        remedy = f'extract {ARCHIVE} again'
        if split == 'aug':
            remedy = _get_sbd(report)
            if not (report.root / LISTS / 'aug.txt').is_file():
                if sbd is None:
                    report.problem(f'no {LISTS}/aug.txt', remedy)
                continue
        names = listed_names(report, f'{LISTS}/{split}.txt')
        pairs = Pairs(
            split, 'JPEGImages', '.jpg', masks, '.png', NUM_LABELS, official
        )
        check_pairs(report, pairs, names, remedy, noted)


def _find_sbd(report: Report, options: Options) -> Path | None:
    """The folder of SBD that has ``cls/`` and the lists."""
    places = [report.root / place for place in SBD_PLACES]
    for place in [options.sbd] if options.sbd else places:
        for folder in (place, place / 'dataset'):
            parts = ('cls', 'train.txt', 'val.txt')
            if all((folder / part).exists() for part in parts):
                return folder
    if options.sbd:
        report.problem(
            f'no dataset/cls, dataset/train.txt and dataset/val.txt in '
            f'{options.sbd}',
            f'give the folder that benchmark.tgz ({SBD_URL}) extracts',
        )
    return None


def _get_sbd(report: Report) -> str:
    devkit = report.root.parent
    for folder in (report.root, devkit, devkit.parent):
        archive = folder / 'benchmark.tgz'
        if archive.is_file():
            return f'extract {archive} into {devkit}, run this command again'
    return (
        f'get benchmark.tgz ({SBD_URL}), extract it into {devkit} and run '
        'this command again; if it lies elsewhere, with --sbd FOLDER'
    )


def _convert(report: Report, sbd: Path, options: Options) -> set[Path]:
    labelled = set()
    for split in ('train', 'val'):
        labelled.update((sbd / f'{split}.txt').read_text().split())
    train = set((report.root / LISTS / 'train.txt').read_text().split())
    val = set((report.root / LISTS / 'val.txt').read_text().split())
    lists = dict(aug=labelled - train - val, trainaug=(labelled | train) - val)
    for name, names in lists.items():
        target = report.root / LISTS / f'{name}.txt'
        if target.exists():
            continue
        if options.check_only:
            report.problem(
                f'{LISTS}/{name}.txt is not made yet',
                'run this command without --check-only',
            )
        else:
            write_lines(sorted(names), target)
            report.converted += 1
    return make_files(
        report,
        'masks of SegmentationClassAug',
        (
            Job(
                sbd / 'cls' / f'{name}.mat',
                report.root / 'SegmentationClassAug' / f'{name}.png',
            )
            for name in sorted(labelled)
        ),
        make_mask,
        options,
    )


def make_mask(source: Path, target: Path) -> None:
    """Makes the PNG of one of SBD's files; its labels are VOC's."""
    labels = load_mat(source, 'GTcls')[0]['Segmentation'][0]
    write_mask(relabel(labels, np.arange(NUM_LABELS)), target)


DATA_SET = DataSet(
    title='Pascal VOC 2012 segmentation, augmented',
    data_root='data/VOCdevkit/VOC2012',
    config='configs/_base_/datasets/voc12aug.py',
    url='http://host.robots.ox.ac.uk/pascal/VOC/voc2012/',
    is_root=holds_any('JPEGImages', 'SegmentationClass', LISTS),
    prepare=prepare,
)
