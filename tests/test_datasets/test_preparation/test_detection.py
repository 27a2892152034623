import json

import pytest

from cankd_mm.datasets.preparation import coco, prepare, voc
from tests.test_datasets.test_preparation.miniatures import make, voc_layout


def counts(report):
    return {count.what: count.found for count in report.counts}


def test_class_names_are_those_of_mmdet():
    from mmdet.datasets import CocoDataset, VOCDataset

    assert CocoDataset.METAINFO['classes'] == coco.CLASSES
    assert VOCDataset.METAINFO['classes'] == voc.CLASSES


def test_coco_is_counted(tmp_path):
    report = prepare('coco', make('coco', tmp_path))
    assert report.ready
    assert counts(report) == {
        'train2017: images listed': 2,
        'train2017: boxes': 2,
        'train2017: categories': 80,
        'val2017: images listed': 2,
        'val2017: boxes': 2,
        'val2017: categories': 80,
    }
    assert '(official release: 118,287)' in report.as_text()


def test_a_missing_image_of_coco_is_named(tmp_path):
    root = make('coco', tmp_path)
    (root / 'val2017/000000000002.jpg').unlink()
    (problem,) = prepare('coco', root).problems
    assert problem.text == (
        '1 images of val2017 are missing: val2017/000000000002.jpg'
    )


@pytest.mark.parametrize('content', ['{"images": [', '[]', '{"images": []}'])
def test_broken_annotations_of_coco_are_named(tmp_path, content):
    root = make('coco', tmp_path)
    file = 'annotations/instances_val2017.json'
    (root / file).write_text(content)
    (problem,) = prepare('coco', root).problems
    assert problem.text.startswith(f'{file} cannot be read')


def rename_category(root, *renamed: str):
    for split in ('train2017', 'val2017'):
        file = root / f'annotations/instances_{split}.json'
        content = json.loads(file.read_text())
        content['categories'] = content['categories'][:3]
        if split in renamed:
            content['categories'][0]['name'] = 'walker'
        file.write_text(json.dumps(content))


def test_other_categories_in_cocos_layout_are_named_in_two_lines(
    tmp_path, monkeypatch
):
    root = make('coco', tmp_path)
    rename_category(root, 'train2017', 'val2017')
    monkeypatch.chdir(tmp_path)
    report = prepare('coco', root)
    assert report.ready
    # Not sorted: mmdet numbers them as the file does.
    assert report.usage == [
        'In a config whose _base_ is one of ours for coco:',
        "  data_root = 'data/coco/'",
        "  classes = ('walker', 'bicycle', 'car')",
    ]


def test_splits_of_different_categories_are_not_ready(tmp_path):
    root = make('coco', tmp_path)
    rename_category(root, 'train2017')
    (problem,) = prepare('coco', root).problems
    assert 'walker' in problem.text
    assert 'in both files' in problem.remedy


def test_voc_is_counted(tmp_path):
    report = prepare('voc', make('voc', tmp_path))
    assert report.ready
    assert counts(report) == {
        'VOC2007/trainval: images listed': 2,
        'VOC2007/trainval: objects': 2,
        'VOC2012/trainval: images listed': 2,
        'VOC2012/trainval: objects': 2,
        'VOC2007/test: images listed': 1,
        'VOC2007/test: objects': 1,
    }
    # The parts of a body are no objects.
    names = ('chair', 'car', 'dog', 'tvmonitor', 'train')
    assert report.classes == dict.fromkeys(names, 1)


def test_classes_that_are_not_vocs_are_named(tmp_path):
    root = make('voc', tmp_path)
    path = root / 'VOC2012/Annotations/2008_000003.xml'
    path.write_text(path.read_text().replace('>train<', '>locomotive<'))
    (problem,) = prepare('voc', root).problems
    assert "not VOC's: locomotive" in problem.text
    assert "classes = ('car', 'chair', 'dog', 'locomotive'" in problem.remedy


@pytest.mark.parametrize(
    'old, new', [('</annotation>', ''), ('<xmin>9</xmin>', ''), ('>9<', '>?<')]
)
def test_broken_annotations_of_voc_are_named(tmp_path, old, new):
    root = make('voc', tmp_path)
    path = root / 'VOC2007/Annotations/000001.xml'
    path.write_text(path.read_text().replace(old, new, 1))
    (problem,) = prepare('voc', root).problems
    assert '1 annotations of VOC2007/test cannot be read' in problem.text
    assert 'VOC2007/Annotations/000001.xml (' in problem.text


def test_a_folder_in_vocs_layout_tells_its_classes(tmp_path):
    report = prepare('voc', voc_layout(tmp_path / 'cells'))
    assert report.ready
    assert report.classes == dict(RBC=2, WBC=1)
    assert counts(report)['trainval: objects'] == 3
    text = report.as_text()
    assert "classes = ('RBC', 'WBC')" in text


def test_root_is_printed_relative_to_where_one_is(tmp_path, monkeypatch):
    root = voc_layout(tmp_path / 'data/cells')
    assert f"  data_root = '{root}/'" in prepare('voc', root).usage
    monkeypatch.chdir(tmp_path)
    assert "  data_root = 'data/cells/'" in prepare('voc', root).usage


def test_a_folder_without_split_lists_is_not_ready(tmp_path):
    root = voc_layout(tmp_path / 'cells')
    for path in (root / 'ImageSets/Main').iterdir():
        path.unlink()
    (problem,) = prepare('voc', root).problems
    assert 'trainval, test.txt is in ImageSets/Main' in problem.text
    assert problem.remedy.endswith(
        f'python tools/prepare_data.py detection {root}'
    )
