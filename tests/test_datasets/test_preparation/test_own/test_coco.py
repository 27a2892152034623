import json

import numpy as np
import pytest
from pycocotools.mask import encode

from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import (
    SIZE,
    STEMS,
)


@pytest.fixture
def content(tmp_path):
    mini.coco(tmp_path)
    return mini.coco_json()


def prepare(root, content, **options):
    mini.write(root / 'labels.json', json.dumps(content))
    return mini.detection(root, **options)


def objects(root):
    return [
        item
        for split in ('train', 'val')
        for item in mini.result(root, split)['annotations']
    ]


def annotation(content, **values):
    item = dict(content['annotations'][0], id=99)
    return {key: v for key, v in (item | values).items() if v is not None}


@pytest.mark.parametrize(
    'values, message',
    [
        (dict(image_id=7), 'annotation 99 (image_id 7)'),
        (dict(category_id=8), 'annotation 99 (category_id 8)'),
        (dict(bbox=[1, 2, 3]), 'annotation 99 (bbox [1, 2, 3])'),
        (dict(bbox=None), 'annotation 99 (bbox None)'),
        (dict(bbox=[1, 2, float('nan'), 4]), 'with NaN or infinity'),
        (dict(bbox=[4, 3, 0, 9]), 'less than one pixel'),
        (dict(bbox=[90, 3, 9, 9]), 'outside of the image'),
    ],
)
def test_object_is_left_out(tmp_path, content, values, message):
    content['annotations'].append(annotation(content, **values))
    report = prepare(tmp_path, content)
    assert mini.only_remark(report, message).remedy
    assert report.left_out == '1 object'
    assert len(objects(tmp_path)) == 10


@pytest.mark.parametrize('item', [None, 3, 'a', []])
@pytest.mark.parametrize('key', ['images', 'annotations', 'categories'])
def test_entries_that_are_no_objects_are_reported(
    tmp_path, content, key, item
):
    content[key].append(item)
    report = prepare(tmp_path, content)
    mini.only_remark(report, 'labels.json')
    assert len(objects(tmp_path)) == 10


def test_repeated_ids_of_objects_are_numbered_anew(tmp_path, content):
    content['annotations'].append(annotation(content, id=1))
    report = prepare(tmp_path, content)
    mini.only_remark(report, '1 object with the id of another object')
    for split in ('train', 'val'):
        found = mini.result(tmp_path, split)['annotations']
        ids = [item['id'] for item in found]
        assert ids == list(range(1, len(ids) + 1))
    assert len(objects(tmp_path)) == 11


def test_image_with_the_id_of_another_is_left_out(tmp_path, content):
    content['images'][1]['id'] = content['images'][0]['id']
    report = prepare(tmp_path, content)
    mini.remark(report, 'with the id of another image')
    assert 'images/p01.jpg' not in mini.names(tmp_path)


def test_repeated_image_is_one(tmp_path, content):
    content['images'].append(dict(content['images'][0], id=500))
    content['annotations'].append(annotation(content, image_id=500))
    report = prepare(tmp_path, content)
    mini.only_remark(report, 'more than once')
    assert len(mini.names(tmp_path)) == 10
    assert len(objects(tmp_path)) == 11


def test_missing_image_is_left_out(tmp_path, content):
    content['images'].append(dict(id=500, file_name='gone.jpg'))
    report = prepare(tmp_path, content)
    mini.only_remark(report, 'without a file: gone.jpg (labels.json)')


def test_ambiguous_image_is_left_out(tmp_path, content):
    mini.photo(tmp_path / 'thumbs/p00.jpg')
    report = prepare(tmp_path, content)
    mini.remark(report, 'p00.jpg (images/p00.jpg, thumbs/p00.jpg)')
    content['images'][0]['file_name'] = 'thumbs/p00.jpg'
    prepare(tmp_path, content, overwrite=True)
    assert 'thumbs/p00.jpg' in mini.names(tmp_path)


def test_unlisted_image_has_no_label(tmp_path, content):
    mini.photo(tmp_path / 'images/more.jpg')
    report = prepare(tmp_path, content)
    mini.only_remark(report, '1 image without a label: images/more.jpg')


def test_categories_without_objects_are_left_out_and_named(tmp_path, content):
    content['categories'].insert(0, dict(id=0, name='animals'))
    report = prepare(tmp_path, content)
    assert not report.remarks
    assert 'left out of classes, having no objects: animals' in report.notes
    assert mini.described(tmp_path)['classes'] == ['dog', 'cat']


def test_ids_as_text_are_the_same(tmp_path, content):
    for item in content['annotations']:
        item['image_id'] = str(item['image_id'])
        item['category_id'] = float(item['category_id'])
    assert not prepare(tmp_path, content).remarks
    assert len(objects(tmp_path)) == 10


def test_category_id_of_two_names_is_reported(tmp_path, content):
    content['categories'].append(dict(id=7, name='wolf'))
    report = prepare(tmp_path, content)
    mini.only_remark(report, 'wolf (id 7 in labels.json)')
    assert report.classes == dict(dog=5, cat=5)


def test_masks_and_crowds_are_kept(tmp_path, content):
    polygon = [[4, 3, 24, 3, 24, 18]]
    runs = dict(size=[SIZE[1], SIZE[0]], counts=[100, 50, 1050])
    for item in content['annotations']:
        item['segmentation'] = polygon
    content['annotations'][3].update(segmentation=runs, iscrowd=1)
    assert not prepare(tmp_path, content).remarks
    assert mini.described(tmp_path)['has_masks']
    masks = [item['segmentation'] for item in objects(tmp_path)]
    assert masks.count(polygon) == 9
    (crowd,) = (item for item in objects(tmp_path) if item['iscrowd'])
    assert crowd['segmentation'] == runs
    assert crowd['area'] == 50


@pytest.mark.parametrize(
    'mask',
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 'x']],
        'polygon',
        dict(size=[30, 40], counts=[1, 2]),
        dict(size=[30, 40], counts=[-1, 1201]),
        dict(size=[30], counts=[1200]),
        dict(size=[30, 40]),
        dict(size=[30, 40], counts='~~~~~~'),
    ],
)
def test_mask_that_is_none_leaves_the_box(tmp_path, content, mask):
    for item in content['annotations']:
        item['segmentation'] = [[4, 3, 24, 3, 24, 18]]
    content['annotations'][0]['segmentation'] = mask
    report = prepare(tmp_path, content)
    mini.remark(report, 'whose mask cannot be read; its box is kept')
    mini.remark(report, '1 object without a mask')
    assert len(objects(tmp_path)) == 10


@pytest.mark.parametrize('seed', range(5))
def test_compressed_run_lengths_are_kept(tmp_path, content, seed):
    pixels = mini.labels_of(seed, (0, 0, 1)).astype('uint8')
    runs = encode(np.asfortranarray(pixels))
    runs = dict(size=runs['size'], counts=runs['counts'].decode())
    content['annotations'][0]['segmentation'] = runs
    prepare(tmp_path, content)
    (found,) = (i for i in objects(tmp_path) if 'segmentation' in i)
    assert found['segmentation'] == runs
    assert found['area'] == pixels.sum()


def test_mask_of_another_size_leaves_the_box(tmp_path, content):
    runs = dict(size=[10, 10], counts=[10, 50, 40])
    content['annotations'][0]['segmentation'] = runs
    report = prepare(tmp_path, content)
    mini.only_remark(report, 'for an image of another size')


def test_box_around_a_mask_where_there_is_none(tmp_path, content):
    item = content['annotations'][0]
    del item['bbox']
    item['segmentation'] = [1, 2, 11, 2, 11, 22]
    prepare(tmp_path, content)
    found = [item for item in objects(tmp_path) if 'segmentation' in item]
    assert [item['bbox'] for item in found] == [[1, 2, 10, 20]]
    assert found[0]['segmentation'] == [[1, 2, 11, 2, 11, 22]]


@pytest.mark.parametrize('text', ['{"images": [', 'null', '[]', '{}'])
def test_other_json_files_stop_nothing(tmp_path, content, text):
    mini.write(tmp_path / 'other.json', text)
    report = mini.detection(tmp_path)
    assert bool(report.remarks) == (text == '{"images": [')
    assert report.ready


def test_file_with_a_byte_order_mark(tmp_path, content):
    text = b'\xef\xbb\xbf' + json.dumps(content).encode()
    (tmp_path / 'labels.json').write_bytes(text)
    assert not mini.detection(tmp_path).remarks


def test_splits_of_different_categories_become_one_list(tmp_path):
    for split, stems in (('train', STEMS[::2]), ('val', STEMS)):
        mini.coco(tmp_path, stems, split, f'{split}/labels.json')
    file = tmp_path / 'val/labels.json'
    found = mini.coco_json(STEMS)
    found['categories'] = [dict(id=30, name='cat'), dict(id=7, name='dog')]
    file.write_text(json.dumps(found))
    report = mini.detection(tmp_path)
    mini.remark(report, '1 of 2 classes without an object in train: dog')
    train, val = (mini.result(tmp_path, split) for split in ('train', 'val'))
    assert train['categories'] == val['categories']
    assert len(train['annotations']) == 5


def test_one_file_for_all_beside_those_of_the_splits(tmp_path, content):
    for split, stems in (('train', STEMS[:7]), ('val', STEMS[7:])):
        found = mini.coco_json(stems)
        mini.write(tmp_path / f'{split}.json', json.dumps(found))
    assert not prepare(tmp_path, content).remarks
    assert len(mini.names(tmp_path, 'train')) == 7
    assert len(mini.names(tmp_path, 'val')) == 3
