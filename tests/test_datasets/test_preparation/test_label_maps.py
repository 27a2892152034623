"""Every pixel of the converted label maps, against the releases' tables."""

import runpy
from pathlib import Path

import mmseg
import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset, COCOStuffDataset
from PIL import Image
from scipy.io import loadmat, savemat

from cankd_mm.datasets.preparation import Options, prepare
from tests.test_datasets.test_preparation.miniatures import make

#: The benchmark's table of the classes that are evaluated.
CITYSCAPES_IDS = {
    'road': 7,
    'sidewalk': 8,
    'building': 11,
    'wall': 12,
    'fence': 13,
    'pole': 17,
    'traffic light': 19,
    'traffic sign': 20,
    'vegetation': 21,
    'terrain': 22,
    'sky': 23,
    'person': 24,
    'rider': 25,
    'car': 26,
    'truck': 27,
    'bus': 28,
    'train': 31,
    'motorcycle': 32,
    'bicycle': 33,
}


def mmseg_table(name: str) -> dict[int, int]:
    """The label table of one of mmseg's converters."""
    tools = Path(mmseg.__file__).parent / '.mim/tools/dataset_converters'
    return runpy.run_path(str(tools / f'{name}.py'))['clsID_to_trID']


def assert_relabelled(before: np.ndarray, after: Path, table: dict) -> None:
    made = np.asarray(Image.open(after))
    assert made.dtype == np.uint8
    assert made.shape == before.shape
    for y, x in np.ndindex(before.shape):
        assert made[y, x] == table[int(before[y, x])]


def test_cocostuff10k(tmp_path):
    root = make('cocostuff10k', tmp_path)
    assert prepare('cocostuff10k', root).ready
    table = mmseg_table('coco_stuff10k')
    sources = sorted(root.glob('annotations/*.mat'))
    for source, split in zip(sources, ('train', 'train', 'test'), strict=True):
        target = f'annotations/{split}2014/{source.stem}_labelTrainIds.png'
        before = loadmat(source)['S']
        assert_relabelled(before, root / target, table)
        image = root / f'images/{split}2014/{source.stem}.jpg'
        original = root / f'images/{source.stem}.jpg'
        assert image.read_bytes() == original.read_bytes()
    assert len(list(root.rglob('*_labelTrainIds.png'))) == 3


def test_cocostuff164k(tmp_path):
    root = make('cocostuff164k', tmp_path)
    sources = sorted(root.glob('annotations/*/*.png'))
    assert prepare('cocostuff164k', root).ready
    table = mmseg_table('coco_stuff164k')
    for source in sources:
        target = source.with_name(f'{source.stem}_labelTrainIds.png')
        before = np.asarray(Image.open(source))
        assert_relabelled(before, target, table)
    assert len(list(root.rglob('*_labelTrainIds.png'))) == len(sources) == 3


def test_cityscapes(tmp_path):
    root = make('cityscapes', tmp_path)
    assert prepare('cityscapes', root).ready
    classes = CityscapesDataset.METAINFO['classes']
    table = dict.fromkeys(range(34), 255)
    table.update({CITYSCAPES_IDS[c]: n for n, c in enumerate(classes)})
    sources = sorted(root.rglob('*_labelIds.png'))
    for source in sources:
        target = str(source).replace('_labelIds', '_labelTrainIds')
        before = np.asarray(Image.open(source))
        assert_relabelled(before, Path(target), table)
    assert len(list(root.rglob('*_labelTrainIds.png'))) == len(sources) == 3


def test_voc_aug_keeps_the_labels(tmp_path):
    root = make('voc_aug', tmp_path)
    assert prepare('voc_aug', root).ready
    table = {label: label for label in range(21)}
    sources = sorted((root.parent / 'benchmark_RELEASE').rglob('*.mat'))
    for source in sources:
        before = loadmat(source)['GTcls']['Segmentation'][0, 0]
        target = root / f'SegmentationClassAug/{source.stem}.png'
        assert_relabelled(before, target, table)
    assert len(sources) == 5


def test_images_and_label_maps_are_counted(tmp_path):
    report = prepare('voc_aug', make('voc_aug', tmp_path))
    assert [(c.what, c.found, c.official) for c in report.counts] == [
        ('train: images', 1, 1_464),
        ('train: label maps', 1, 1_464),
        ('val: images', 1, 1_449),
        ('val: label maps', 1, 1_449),
        ('aug: images', 3, 9_118),
        ('aug: label maps', 3, 9_118),
    ]


def test_train_ids_of_cocostuff_mean_the_named_classes(tmp_path):
    # Ids and names from the data set's labels.txt.
    names = {1: 'person', 25: 'giraffe', 27: 'backpack', 90: 'toothbrush'}
    names |= {92: 'banner', 157: 'sky-other', 182: 'wood'}
    classes = COCOStuffDataset.METAINFO['classes']
    for number, name in names.items():
        assert classes[mmseg_table('coco_stuff10k')[number] - 1] == name
        assert classes[mmseg_table('coco_stuff164k')[number - 1]] == name


@pytest.mark.parametrize('label', [12, 183])
def test_ids_of_another_release_are_refused(tmp_path, label):
    root = make('cocostuff10k', tmp_path)
    source = sorted(root.glob('annotations/*.mat'))[0]
    savemat(source, dict(S=np.full((4, 4), label, np.uint8)))
    (problem,) = prepare('cocostuff10k', root).problems
    reason = f'{source.name} (holds labels that the data set lacks: [{label}])'
    assert reason in problem.text


@pytest.mark.parametrize('content', [b'', b'no matlab', b'MATLAB 5.0' * 99])
def test_a_broken_mat_file_is_named(tmp_path, content):
    root = make('voc_aug', tmp_path)
    broken = root.parent / 'benchmark_RELEASE/dataset/cls/d.mat'
    broken.write_bytes(content)
    report = prepare('voc_aug', root)
    (problem,) = report.problems
    assert 'd.mat (' in problem.text
    assert not (root / 'SegmentationClassAug/d.png').exists()
    assert report.converted == 4 + 2


def test_the_lists_are_those_of_mmseg(tmp_path):
    root = make('voc_aug', tmp_path)
    lists = root / 'ImageSets/Segmentation'
    assert prepare('voc_aug', root).ready
    # a trains and b validates in VOC.
    assert (lists / 'aug.txt').read_text().split() == ['c', 'd', 'e']
    trainaug = (lists / 'trainaug.txt').read_text().split()
    assert trainaug == ['a', 'c', 'd', 'e']


def test_sbd_may_lie_anywhere(tmp_path):
    root = make('voc_aug', tmp_path)
    away = tmp_path / 'sbd'
    (root.parent / 'benchmark_RELEASE').rename(away)
    texts = {p.text: p.remedy for p in prepare('voc_aug', root).problems}
    remedy = texts['no ImageSets/Segmentation/aug.txt']
    assert 'get benchmark.tgz (http' in remedy
    assert prepare('voc_aug', root, Options(sbd=away)).ready
    # Once made, the masks are all that is needed.
    assert prepare('voc_aug', root).ready


def test_a_wrong_place_of_sbd_is_told(tmp_path):
    root = make('voc_aug', tmp_path)
    report = prepare('voc_aug', root, Options(sbd=tmp_path))
    assert f'in {tmp_path}' in report.problems[0].text


def test_label_maps_of_colours_are_refused(tmp_path):
    root = make('voc_aug', tmp_path)
    path = root / 'SegmentationClass/a.png'
    Image.open(path).convert('RGB').save(path)
    (problem,) = prepare('voc_aug', root).problems
    assert 'SegmentationClass/a.png (colours instead of' in problem.text


def test_label_maps_of_another_coding_are_refused(tmp_path):
    root = make('cocostuff164k', tmp_path)
    source = next(root.glob('annotations/val2017/*.png'))
    target = source.with_name(f'{source.stem}_labelTrainIds.png')
    target.write_bytes(source.read_bytes())
    (problem,) = prepare('cocostuff164k', root).problems
    assert 'label 171, expected 0 to 170 and 255' in problem.text


@pytest.mark.parametrize('name', ['cocostuff10k', 'cocostuff164k'])
def test_a_missing_source_is_told(name, tmp_path):
    root = make(name, tmp_path)
    pattern = '*.mat' if name == 'cocostuff10k' else 'train2017/*.png'
    source = sorted(root.glob(f'annotations/{pattern}'))[0]
    source.unlink()
    for options in (Options(check_only=True), Options()):
        problems = prepare(name, root, options).problems
        (problem,) = (p for p in problems if 'are missing' in p.text)
        assert problem.text.startswith('1 label maps of train')
        assert f'{source.stem}_labelTrainIds.png' in problem.text
