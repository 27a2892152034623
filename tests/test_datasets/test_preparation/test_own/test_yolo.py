import json

import pytest

from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import (
    KINDS,
    SIZE,
    STEMS,
)

TXT = 'labels/p00.txt'
GOOD = mini.yolo(0)


@pytest.fixture
def root(tmp_path):
    mini.yolo_folder(tmp_path)
    mini.write(tmp_path / 'classes.txt', *KINDS)
    return tmp_path


def objects(root):
    return [
        item
        for split in ('train', 'val')
        for item in mini.result(root, split)['annotations']
    ]


@pytest.mark.parametrize(
    'line, message',
    [
        ('2 .5 .5 .2 .2', 'labels/p00.txt:2 (class 2; classes.txt has 2)'),
        ('0 200 150 40 30', 'labels/p00.txt:2 (200 is no fraction: pixels?)'),
        ('0 -3 .5 .2 .2', '(-3 is no fraction)'),
        ('0 .5 .5 .2', 'labels/p00.txt:2 (4 columns)'),
        ('0 .1 .1 .2 .2 .3 .3 .4', '(8 columns)'),
        ('cat .5 .5 .2 .2', '(not all are numbers)'),
        ('0 nan .5 .2 .2', '(NaN or infinite)'),
        ('0.5 .5 .5 .2 .2', '(class 0.5)'),
        ('-1 .5 .5 .2 .2', '(class -1)'),
        ('1e400 .5 .5 .2 .2', '(NaN or infinite)'),
    ],
)
def test_line_is_left_out(root, line, message):
    mini.write(root / TXT, GOOD, line)
    report = mini.detection(root)
    assert mini.only_remark(report, message).remedy
    assert report.left_out == '1 line'
    assert len(objects(root)) == 10


@pytest.mark.parametrize(
    'content',
    [
        b'\xef\xbb\xbf' + GOOD.encode(),
        GOOD.encode('utf-16'),
        f'\r\n{GOOD}\r\n\r\n'.encode(),
        f'{GOOD} 0.93'.encode(),
        GOOD.replace('0 ', '0.0 ', 1).encode(),
        GOOD.replace(' ', '\t').encode(),
    ],
    ids=['bom', 'utf-16', 'windows', 'confidence', 'float', 'tabs'],
)
def test_ways_of_writing_a_line(root, content):
    (root / TXT).write_bytes(content)
    assert not mini.detection(root).remarks
    assert len(objects(root)) == 10


def test_empty_file_is_an_image_without_objects(root):
    (root / TXT).write_text('\n')
    assert not mini.detection(root).remarks
    assert 'images/p00.jpg' in mini.names(root)
    assert len(objects(root)) == 9


def test_missing_file_is_an_image_without_a_label(root):
    (root / TXT).unlink()
    report = mini.detection(root)
    assert '--background' in mini.only_remark(report, 'p00.jpg').remedy


def test_polygons_become_boxes_and_masks(root):
    for stem in STEMS:
        line = '0 0.1 0.1 0.5 0.1 0.5 0.5'
        mini.write(root / f'labels/{stem}.txt', line)
    mini.detection(root)
    assert mini.described(root)['has_masks']
    for item in objects(root):
        assert item['bbox'] == [4, 3, 16, 12]
        assert item['segmentation'] == [[4, 3, 20, 3, 20, 15]]
        assert 80 <= item['area'] <= 112


def test_boxes_among_polygons_are_reported(root):
    mini.write(root / TXT, '0 0.1 0.1 0.5 0.1 0.5 0.5')
    report = mini.detection(root)
    mini.only_remark(report, '9 objects without a mask')
    assert not mini.described(root)['has_masks']


def test_key_points_are_no_polygon(root):
    (root / 'classes.txt').unlink()
    mini.write(root / 'a.yaml', 'names: [cat, dog]', 'kpt_shape: [3, 2]')
    for stem in STEMS:
        line = f'{GOOD} .1 .1 .9 .9 .5 .5'
        mini.write(root / f'labels/{stem}.txt', line)
    mini.detection(root)
    assert {tuple(item['bbox']) for item in objects(root)} == {(4, 3, 20, 15)}


def test_rounding_beyond_the_edge_is_cut_silently(root):
    mini.write(root / TXT, '0 0.5 0.5 1.001 1.001')
    assert not mini.detection(root).remarks
    assert [0, 0, *SIZE] in [item['bbox'] for item in objects(root)]


def test_classes_without_names_are_numbered(root):
    (root / 'classes.txt').unlink()
    report = mini.detection(root)
    assert mini.described(root)['classes'] == ['class_0', 'class_1']
    assert any('into classes.txt' in note for note in report.notes)


def test_order_of_the_names_is_kept_and_unused_ones_too(root):
    mini.write(root / 'classes.txt', 'zebra', 'ant', 'unused')
    report = mini.detection(root)
    assert mini.described(root)['classes'] == ['zebra', 'ant', 'unused']
    mini.remark(report, '1 of 3 classes without an object in train: unused')


def test_yaml_is_read_as_text(root):
    # no and 1 are not names in YAML 1.1.
    (root / 'classes.txt').unlink()
    mini.write(root / 'data.yaml', 'names: [no, 1]')
    mini.detection(root)
    assert mini.described(root)['classes'] == ['no', '1']


@pytest.mark.parametrize(
    'text', ['names: [', 'names: {a: b}', 'names: 7', 'names: [[a]]']
)
def test_broken_yaml_is_reported_and_classes_txt_is_read(root, text):
    mini.write(root / 'data.yaml', text)
    report = mini.detection(root)
    mini.only_remark(report, 'with class names that cannot be read: data.yaml')
    assert mini.described(root)['classes'] == list(KINDS)


def test_yaml_does_not_make_objects(root, tmp_path):
    target = tmp_path / 'made'
    text = f'names: !!python/object/apply:os.mkdir ["{target}"]'
    mini.write(root / 'data.yaml', text)
    mini.detection(root)
    assert not target.exists()


def test_split_of_a_yaml_that_is_not_there_is_reported(root):
    mini.write(
        root / 'data.yaml', 'names: [cat, dog]', 'train: images', 'val: gone/x'
    )
    report = mini.detection(root)
    mini.only_remark(report, 'data.yaml val: gone/x')
    assert len(mini.names(root, 'val')) == 2


def test_other_texts_beside_photos_are_no_labels(tmp_path):
    mini.coco(tmp_path)
    for stem in STEMS:
        mini.write(tmp_path / f'images/{stem}.txt', 'a photo of a cat')
    mini.write(tmp_path / 'README.txt', '1 2 3 4 5')
    report = mini.detection(tmp_path)
    assert not report.remarks
    assert 'COCO' in report.notes[0]


def test_label_without_an_image(root):
    (root / 'images/p00.jpg').unlink()
    report = mini.detection(root)
    mini.only_remark(report, f'1 label file without an image: {TXT}')


def test_json_holds_any_name_in_ascii(root):
    mini.write(root / 'classes.txt', 'K\u00e4fer', '\u732b')
    mini.detection(root)
    text = (root / 'prepared/train.json').read_text()
    assert text.isascii()
    kinds = [item['name'] for item in json.loads(text)['categories']]
    assert kinds == ['K\u00e4fer', '\u732b']


def test_files_with_other_class_names_are_a_problem(root):
    mini.write(root / 'other/classes.txt', *KINDS[::-1])
    report = mini.detection(root)
    assert not report.ready
    assert 'other/classes.txt' in report.problems[0].text
    assert not (root / 'prepared').exists()


def test_files_with_the_same_class_names_are_none(root):
    mini.write(root / 'other/classes.txt', *KINDS)
    assert mini.detection(root).ready


def test_names_file_that_cannot_be_read_is_reported(root):
    (root / 'aaa').mkdir()
    (root / 'obj.names').symlink_to(root / 'nowhere')
    assert mini.detection(root).ready


def test_class_names_that_differ_from_those_of_the_yaml_are_a_problem(root):
    mini.write(root / 'data.yaml', 'names: [dog, cat]')
    report = mini.detection(root)
    assert not report.ready
    assert 'classes.txt' in report.problems[0].text


@pytest.mark.parametrize('val', ['../valid/images', '../val/images'])
def test_val_of_a_yaml_that_is_not_there_is_not_train(val, tmp_path):
    mini.yolo_folder(tmp_path, images='train/images', labels='train/labels')
    mini.write(
        tmp_path / 'data.yaml',
        'names: [cat, dog]',
        'train: ../train/images',
        f'val: {val}',
    )
    report = mini.detection(tmp_path)
    assert report.ready
    assert mini.remark(report, 'without images below the named path')
    train, val = (set(mini.names(tmp_path, s)) for s in ('train', 'val'))
    assert train and val and not train & val
