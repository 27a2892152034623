"""Training data that are of no use are refused by name, or reported.

A row is an edit of good data, and the words that the message must have.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import data_runs
from tests.forked_tools import fork_tool_unchecked
from tests.tiny_data import ANIMALS, write_boxes, write_masks

DOCTYPE = '<!DOCTYPE html><html><body>Not found</body></html>'


def annotations(edit, **kwargs):
    """A row that edits the COCO file; `edit` may return another content."""

    def apply(root: Path) -> dict:
        file = root / 'train.json'
        content = json.loads(file.read_text())
        file.write_text(json.dumps(edit(content) or content))
        return data_runs.coco(root, **kwargs)

    return apply


def every(name: str, **values):
    """Edits all entries of a list of the COCO file."""

    def edit(content: dict) -> None:
        for entry in content[name]:
            entry.update(values)

    return edit


def file(name: str, content: str | bytes | None, **kwargs):
    """A row that replaces a file of the COCO data set; None removes it."""

    def apply(root: Path) -> dict:
        replace(root / name, content)
        return data_runs.coco(root, **kwargs)

    return apply


def replace(path: Path, content) -> None:
    if content is None:
        path.unlink()
    elif callable(content):
        path.write_bytes(content(path.read_bytes()))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def coco(**kwargs):
    return lambda root: data_runs.coco(root, **kwargs)


def xml(edit, names=range(4), **kwargs):
    """A row that edits XML files; `edit` is (old, new) or a function."""

    def apply(root: Path) -> dict:
        for name in names:
            path = root / f'Annotations/{name}.xml'
            if callable(edit):
                replace(path, edit)
            elif edit is None:
                path.unlink()
            else:
                text = path.read_text()
                assert edit[0] in text
                path.write_text(text.replace(*edit))
        return data_runs.voc(root, **kwargs)

    return apply


def voc_file(name: str, content, **kwargs):
    def apply(root: Path) -> dict:
        replace(root / name, content)
        return data_runs.voc(root, **kwargs)

    return apply


def rename_categories(*names: str):
    def edit(content: dict) -> None:
        for category, name in zip(content['categories'], names, strict=False):
            category['name'] = name

    return edit


def without(name: str):
    def edit(content: dict) -> None:
        del content[name]

    return edit


def first(name: str, remove: str = '', **values):
    """Edits one entry."""

    def edit(content: dict) -> None:
        content[name][1].update(values)
        content[name][1].pop(remove, None)

    return edit


def only_first_categories(content: dict) -> None:
    content['categories'] = content['categories'][:1]
    content['annotations'] = [
        a for a in content['annotations'] if not a['category_id']
    ]


KEY = 'train_dataloader.dataset'
ANN = f'{KEY}.ann_file'
NO_BOX = f'{ANN}: ROOT/train.json: no box of any class to train on'

#: Edit, then words that the error must have; ROOT is the data's folder.
REFUSED_BOXES = {
    'categories of other names': (
        annotations(rename_categories('Cats', 'A dog', 'BIRD')),
        [
            NO_BOX,
            "names in the annotations: 'Cats' (4), 'A dog' (4), 'BIRD' (4)",
            "classes: 'cat', 'dog', 'bird'",
            "closest classes: 'Cats' -> 'cat', 'A dog' -> 'dog', "
            "'BIRD' -> 'bird'",
            'classes=...',
            'metainfo=dict(classes=...)',
        ],
    ),
    'classes of other names': (
        coco(metainfo=dict(classes=('RBC', 'WBC', 'Platelets'))),
        [NO_BOX, "'cat' (4)", "'RBC', 'WBC', 'Platelets'", 'not in classes'],
    ),
    'categories of other names with filter_empty_gt': (
        annotations(
            rename_categories('Cats', 'A dog', 'BIRD'),
            filter_cfg=dict(filter_empty_gt=True),
        ),
        [
            f"{KEY}.filter_cfg={{'filter_empty_gt': True}} leaves out all 4",
            "'Cats' (4)",
            "classes: 'cat', 'dog', 'bird'",
            "closest classes: 'Cats' -> 'cat'",
        ],
    ),
    'ids of no category': (
        annotations(every('annotations', category_id=7)),
        [NO_BOX, "'category_id 7' (12)", '12 (category_id of no category)'],
    ),
    'ids of no image': (
        annotations(every('annotations', image_id='0')),
        [NO_BOX, '12 (image_id of no image)'],
    ),
    'no annotations': (
        annotations(lambda content: content['annotations'].clear()),
        [NO_BOX, "names in the annotations: 'cat' (0)"],
    ),
    'no images': (
        annotations(lambda content: content['images'].clear()),
        [f'{ANN}: ROOT/train.json: it lists no image'],
    ),
    'all boxes of negative size': (
        annotations(every('annotations', bbox=[8, 8, -4, -4])),
        [NO_BOX, '12 (no size or outside of the image)', 'look at the boxes'],
    ),
    'all boxes outside of the images': (
        annotations(every('annotations', bbox=[900, 8, 9, 9])),
        [NO_BOX, '12 (no size or outside of the image)'],
    ),
    'all boxes of no area': (
        annotations(every('annotations', area=0)),
        [NO_BOX, '12 (area 0 or smaller than a pixel)'],
    ),
    'all boxes crowds': (
        annotations(every('annotations', iscrowd=1)),
        [NO_BOX, 'to be ignored (crowd, difficult): 12'],
    ),
    'all boxes not a number': (
        annotations(every('annotations', bbox=[float('nan'), 8, 9, 9])),
        [NO_BOX, '12 (no size or outside of the image)'],
    ),
    'an infinite box': (
        annotations(first('annotations', bbox=[8, 8, float('inf'), 9])),
        [f'{ANN}: ROOT/train.json', "0.jpg: 'dog' at (8, 8, inf, 17)"],
    ),
    'all images too small for filter_cfg': (
        coco(filter_cfg=dict(min_size=65)),
        [f"{KEY}.filter_cfg={{'min_size': 65}} leaves out all 4 images"],
    ),
    'indices of no image': (
        coco(indices=0),
        [f'{KEY}.indices=0: none of the 4 images'],
    ),
    'file of no bytes': (
        file('train.json', ''),
        [f'{ANN}: ROOT/train.json: this is an empty file', 'expected a JSON'],
    ),
    'page in place of the file': (
        file('train.json', DOCTYPE),
        [f'{ANN}: ROOT/train.json: this is an HTML page', 'expected a JSON'],
    ),
    'half of the file': (
        file('train.json', half),
        [f'{ANN}: ROOT/train.json', 'only a part', 'JSONDecodeError'],
    ),
    'file that is no JSON': (
        file('train.json', '0.jpg 1 2 3 4\n'),
        [f'{ANN}: ROOT/train.json: this is no JSON', 'images, annotations'],
    ),
    'file of bytes': (
        file('train.json', b'\xff\xfe\x00\x80'),
        [f'{ANN}: ROOT/train.json: this is no JSON', 'UnicodeDecodeError'],
    ),
    'compressed file': (
        file('train.json', b'\x1f\x8b\x08\x00'),
        [f'{ANN}: ROOT/train.json: this is gzip-compressed'],
    ),
    'pointer of Git LFS': (
        file('train.json', 'version https://git-lfs.github.com/spec/v1\n'),
        [f'{ANN}: ROOT/train.json: this is a Git LFS pointer'],
    ),
    'list in place of an object': (
        annotations(lambda content: content['annotations']),
        [f'{ANN}: ROOT/train.json: this is a JSON list', 'images'],
    ),
    'no list of images': (
        annotations(without('images')),
        [f"{ANN}: ROOT/train.json: it has no list 'images', only"],
    ),
    'no list of annotations': (
        annotations(without('annotations')),
        [f"{ANN}: ROOT/train.json: it has no list 'annotations', only"],
    ),
    'no list of categories': (
        annotations(without('categories')),
        [f"{ANN}: ROOT/train.json: it has no list 'categories', only"],
    ),
    'annotation without a box': (
        annotations(first('annotations', remove='bbox')),
        [f'{ANN}: ROOT/train.json: annotations[1] (id 1)', "no 'bbox'"],
    ),
    'annotation without an image': (
        annotations(first('annotations', remove='image_id')),
        [f'{ANN}: ROOT/train.json: annotations[1] (id 1)', "no 'image_id'"],
    ),
    'box of two numbers': (
        annotations(first('annotations', bbox=[1, 2])),
        ['annotations[1] (id 1).bbox is [1, 2], expected four numbers'],
    ),
    'image without a width': (
        annotations(first('images', remove='width')),
        [f'{ANN}: ROOT/train.json: images[1] (id 1)', "has no 'width'"],
    ),
    'width in words': (
        annotations(first('images', width='64')),
        ["images[1] (id 1).width is '64', not a number"],
    ),
    'annotation twice': (
        annotations(first('annotations', id=2)),
        [f'{ANN}: ROOT/train.json', 'not unique'],
    ),
    'no such file': (
        file('train.json', None),
        [f"{ANN}='train.json': there is no ROOT/train.json"],
    ),
    'no such image': (
        file('JPEGImages/2.jpg', None),
        [
            f'{KEY}: images that are not there',
            'data_prefix',
            '1 of 4 opened',
            'ROOT/JPEGImages/2.jpg',
        ],
    ),
    'another folder of images': (
        coco(data_prefix=dict(img='images/')),
        ['images that are not there', '(4 of 4 opened)', 'ROOT/images/0.jpg'],
    ),
    'truncated image': (
        file('JPEGImages/1.jpg', half),
        ['images that cannot be read', 'ROOT/JPEGImages/1.jpg', 'truncated'],
    ),
    'image without its end': (
        file('JPEGImages/1.jpg', lambda content: content[:-200]),
        ['images that cannot be read', 'ROOT/JPEGImages/1.jpg', 'truncated'],
    ),
    'image of no bytes': (
        file('JPEGImages/1.jpg', ''),
        ['images that cannot be read', 'JPEGImages/1.jpg: this is an empty'],
    ),
    'page in place of an image': (
        file('JPEGImages/1.jpg', DOCTYPE),
        ['images that cannot be read', 'JPEGImages/1.jpg: this is an HTML'],
    ),
    'VOC: xmax below xmin': (
        xml(('<xmax>41<', '<xmax>3<'), names=[2]),
        [
            f'{ANN}: ROOT/train.txt: boxes without a finite, positive size',
            "Annotations/2.xml: 'cat' at (8, 8, 2, 48)",
            'Expected xmin < xmax and ymin < ymax',
            'filter_cfg=dict(bbox_min_size=1)',
        ],
    ),
    'VOC: a coordinate that is not finite': (
        xml(('<xmax>41<', '<xmax>inf<'), names=[2]),
        [
            f'{KEY}: ROOT/Annotations/2.xml: ',
            "<object> 1 ('cat') has <xmax> 'inf'",
        ],
    ),
    'VOC: a coordinate in words': (
        xml(('<ymin>9<', '<ymin>top<'), names=[2]),
        ["Annotations/2.xml: <object> 1 ('cat') has <ymin> 'top', expected"],
    ),
    'VOC: names of no class': (
        xml(('<name>', '<name>big ')),
        [
            f'{ANN}: ROOT/train.txt: no box of any class',
            "'big cat' (4), 'big dog' (4), 'big bird' (4)",
            "'big dog' -> 'dog'",
            '12 (name not in classes)',
        ],
    ),
    'VOC: all boxes difficult': (
        xml(('<difficult>0', '<difficult>1')),
        ['no box of any class', 'to be ignored (crowd, difficult): 12'],
    ),
    'VOC: half of an XML file': (
        xml(half, names=[1]),
        [f'{KEY}: ROOT/Annotations/1.xml: this is no XML, or only a part'],
    ),
    'VOC: page in place of an XML file': (
        xml(lambda _: DOCTYPE.encode(), names=[1]),
        [f'{KEY}: ROOT/Annotations/1.xml: this is an HTML page'],
    ),
    'VOC: no such XML file': (
        xml(None, names=[3]),
        [f'{KEY}: ROOT/Annotations/3.xml: there is no such', "lists '3'"],
    ),
    'VOC: object without a box': (
        xml(('bndbox', 'box'), names=[1]),
        ["Annotations/1.xml: <object> 1 ('cat') has no <bndbox>"],
    ),
    'VOC: size without a width': (
        xml(('width', 'breadth'), names=[1]),
        ['Annotations/1.xml: <size> has <width> None'],
    ),
    'VOC: an empty list': (
        voc_file('train.txt', ''),
        [f'{ANN}: ROOT/train.txt: it lists no image'],
    ),
}


def mask(edit, names=range(4), suffix='.png', **kwargs):
    """A row that edits masks, given as arrays."""

    def apply(root: Path) -> dict:
        for name in names:
            path = root / f'masks/{name}.png'
            labels = edit(np.asarray(Image.open(path)))
            path.unlink()
            Image.fromarray(labels).save(path.with_suffix(suffix))
        return data_runs.masks(root, **kwargs)

    return apply


def mask_file(name: str, content, **kwargs):
    def apply(root: Path) -> dict:
        replace(root / name, content)
        return data_runs.masks(root, **kwargs)

    return apply


def as_colors(labels: np.ndarray) -> np.ndarray:
    return np.stack([labels] * 3, -1)


def as_16_bits(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 3, 259, labels.astype(np.uint16))


MASK = f'{KEY}: masks'
REFUSED_MASKS = {
    'mask of another size': (
        mask(lambda labels: labels[:32], names=[1]),
        [
            f'{MASK} of another size than the image (1 of 4 opened)',
            'ROOT/masks/1.png: the mask is 64x32',
            'ROOT/images/1.jpg is 64x64',
        ],
    ),
    'label of no class': (
        mask(lambda labels: np.where(labels == 3, 7, labels), names=[0, 2]),
        [
            f'{MASK} with labels outside of 0 to 3 (classes) and 255',
            '(2 of 4 opened)',
            'ROOT/masks/0.png: found 7',
        ],
    ),
    'zero of a label map that is not reduced': (
        mask(lambda labels: np.where(labels < 4, labels + 1, labels)),
        ['outside of 0 to 3', 'reduce_zero_label=False', 'found 4'],
    ),
    'label map that is reduced without a zero': (
        mask(
            lambda labels: np.where(labels < 4, labels + 2, labels),
            reduce_zero_label=True,
        ),
        ['outside of 0 to 3', 'reduce_zero_label=True', 'found 4'],
    ),
    'all labels ignored': (
        mask(lambda labels: np.full_like(labels, 255)),
        [
            f'{KEY}.data_prefix.seg_map_path: all labels of all 4 masks',
            'ignore_index=255',
        ],
    ),
    'mask in colors': (
        mask(as_colors),
        [f'{MASK} that are pictures', 'shape (64, 64, 3) (PNG of mode RGB)'],
    ),
    'mask of 16 bits': (
        mask(as_16_bits),
        [f'{MASK} with labels above 255', 'label 259 (PNG of mode I;16)'],
    ),
    'mask as JPEG': (
        mask(lambda labels: labels, suffix='.jpg', seg_map_suffix='.jpg'),
        ['outside of 0 to 3', 'JPEG of mode L, which changes labels'],
    ),
    'no such mask': (
        mask_file('masks/2.png', None),
        [f'{MASK} that are not there', 'ROOT/masks/2.png', 'seg_map_suffix'],
    ),
    'truncated mask': (
        mask_file('masks/2.png', half),
        [f'{MASK} that cannot be read', 'ROOT/masks/2.png'],
    ),
    'page in place of a mask': (
        mask_file('masks/2.png', DOCTYPE),
        [f'{MASK} that cannot be read', 'masks/2.png: this is an HTML page'],
    ),
    'mask of no bytes': (
        mask_file('masks/2.png', ''),
        ['masks that cannot be read', 'masks/2.png: this is an empty file'],
    ),
    'truncated image': (
        mask_file('images/2.jpg', half),
        ['images that cannot be read', 'ROOT/images/2.jpg', 'truncated'],
    ),
    'images of another suffix': (
        mask_file('masks/2.png', half, img_suffix='.JPEG'),
        [
            f"{KEY}.img_suffix='.JPEG': no file in ROOT/images has it",
            "'.jpg' (4)",
        ],
    ),
    'masks of another suffix': (
        mask_file('masks/2.png', half, seg_map_suffix='_labels.png'),
        ['masks that are not there', '4 of 4', 'ROOT/masks/0_labels.png'],
    ),
    'no such folder of images': (
        mask_file(
            'masks/2.png',
            half,
            data_prefix=dict(img_path='photos', seg_map_path='masks'),
        ),
        [f'{KEY}.data_prefix: there is no ROOT/photos'],
    ),
    'no such list of images': (
        mask_file('masks/2.png', half, ann_file='list.txt'),
        [f"{ANN}='list.txt': there is no ROOT/list.txt"],
    ),
}

#: Edit, then words that the log must have; training goes on.
REPORTED = {
    'some categories of other names': (
        annotations(rename_categories('cat', 'dog', 'Birds')),
        [
            "1 of 3 classes have no box: 'bird'",
            "in the annotations, but no class: 'Birds' (4)",
            "closest classes: 'Birds' -> 'bird'",
            'boxes left out: 4 (category not in classes)',
        ],
    ),
    'most of the categories missing': (
        annotations(only_first_categories),
        ["2 of 3 classes have no box: 'dog', 'bird'"],
    ),
    'categories in another order': (
        annotations(rename_categories('dog', 'cat', 'bird')),
        ["label 0 is 'dog' in ROOT/train.json and 'cat' in classes"],
    ),
    'image of another size': (
        annotations(first('images', width=100, height=70)),
        [
            'images of another size than the annotations have (1 of 4 opened)',
            '1.jpg: the image is 64x64',
            'the annotations have 100x70',
        ],
    ),
    'VOC: one name of no class': (
        xml(('<name>bird', '<name>brid')),
        [
            "have no box: 'bird'",
            "'brid' (4)",
            "closest classes: 'brid' -> 'bird'",
        ],
    ),
    'VOC: an image of another size': (
        xml(('<width>64', '<width>99'), names=[1]),
        ['another size', 'the annotations have 99x64'],
    ),
}


def dataset(edit, root: Path) -> dict:
    is_masks = edit in [row[0] for row in REFUSED_MASKS.values()]
    (write_masks if is_masks else write_boxes)(root)
    return edit(root)


def plain(text: str, root: Path) -> str:
    return text.replace(f'{root}/', 'ROOT/').replace('ROOT//', 'ROOT/')


def refuse(edit, words, tmp_path):
    root, work_dir = tmp_path / 'data', tmp_path / 'run'
    cfg = data_runs.config(dataset(edit, root), work_dir)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        data_runs.train(cfg)
    message = plain(str(error.value), root)
    for word in words:
        assert word in message, message
    assert 'Iter(train)' not in data_runs.log_of(work_dir)


@pytest.mark.parametrize('case', REFUSED_BOXES)
def test_boxes_of_no_use_are_refused(case, tmp_path):
    refuse(*REFUSED_BOXES[case], tmp_path)


@pytest.mark.parametrize('case', REFUSED_MASKS)
def test_masks_of_no_use_are_refused(case, tmp_path):
    refuse(*REFUSED_MASKS[case], tmp_path)


def warnings_of(log: str) -> list[str]:
    """Warnings of the package, of one line each."""
    return [
        line
        for line in re.findall(r'mmengine - WARNING - (.*)', log)
        if line.startswith('train_dataloader')
    ]


@pytest.mark.parametrize('case', REPORTED)
def test_what_may_be_meant_is_reported(case, tmp_path):
    edit, words = REPORTED[case]
    root = tmp_path / 'data'
    cfg = data_runs.config(dataset(edit, root), tmp_path / 'run')
    data_runs.train(cfg)
    log = plain(data_runs.log_of(tmp_path / 'run'), root)
    for word in words:
        assert word in log, log[log.index('Training data') :][:2000]
    assert words[0] in '\n'.join(warnings_of(log))
    assert 'Iter(train)' in log


@pytest.mark.parametrize('kind', ['coco', 'voc', 'masks'])
def test_good_data_are_no_reason_for_a_warning(kind, tmp_path):
    root = tmp_path / 'data'
    (write_masks if kind == 'masks' else write_boxes)(root)
    make = getattr(data_runs, kind)
    cfg = data_runs.config(make(root), tmp_path / 'run')
    data_runs.train(cfg)
    log = data_runs.log_of(tmp_path / 'run')
    assert not warnings_of(log)
    assert '4 images' in log
    found = (
        '4 masks: labels of 4 of 4 classes'
        if kind == 'masks'
        else '0 without a box; 12 boxes in 3 of 3 classes'
    )
    assert found in log


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    'case, table',
    [
        ('categories of other names', REFUSED_BOXES),
        ('mask of another size', REFUSED_MASKS),
        pytest.param('half of the file', REFUSED_BOXES, marks=SLOW),
        pytest.param('truncated image', REFUSED_BOXES, marks=SLOW),
        pytest.param('VOC: xmax below xmin', REFUSED_BOXES, marks=SLOW),
        pytest.param('all labels ignored', REFUSED_MASKS, marks=SLOW),
    ],
)
def test_the_tool_ends_before_the_first_iteration(case, table, tmp_path):
    edit, words = table[case]
    root = tmp_path / 'data'
    cfg = data_runs.config(dataset(edit, root), tmp_path / 'run')
    cfg.dump(tmp_path / 'config.py')
    code, output = fork_tool_unchecked('train.py', tmp_path / 'config.py')
    assert code == 1
    for word in words:
        assert word in plain(output, root), output[-3000:]
    assert 'Iter(train)' not in output


@pytest.mark.slow
def test_no_check_of_the_tool_does_not_look(tmp_path):
    edit = REFUSED_BOXES['categories of other names'][0]
    data = dataset(edit, tmp_path / 'data')
    cfg = data_runs.config(data, tmp_path / 'run')
    cfg.dump(tmp_path / 'config.py')
    code, output = fork_tool_unchecked(
        'train.py', tmp_path / 'config.py', '--no-check'
    )
    assert code == 0
    assert 'Iter(train)' in output
    assert 'Training data' not in output


def test_small_voc_boxes_can_be_ignored_as_the_error_suggests(tmp_path):
    edit, _ = REFUSED_BOXES['VOC: xmax below xmin']
    data = dataset(edit, tmp_path / 'data')
    data['filter_cfg'] = dict(bbox_min_size=1)
    cfg = data_runs.config(data, tmp_path / 'run', iterations=4)
    data_runs.train(cfg)
    log = data_runs.log_of(tmp_path / 'run')
    assert '3 more to be ignored' in log
    assert len(re.findall(r'Iter\(train\)', log)) == 4
    assert 'nan' not in ''.join(re.findall(r' loss\S*: (\S+)', log))


def test_errors_of_the_validation_data_name_their_file(tmp_path):
    root = write_boxes(tmp_path / 'data')
    cfg = data_runs.config(data_runs.coco(root), tmp_path / 'run')
    (root / 'val.json').write_text(DOCTYPE)
    cfg.val_dataloader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=data_runs.coco(root, ann_file='val.json', test_mode=True),
    )
    cfg.val_cfg = dict()
    cfg.val_evaluator = dict(
        type='CocoMetric', ann_file=str(root / 'val.json')
    )
    with pytest.raises(ValueError) as error:
        data_runs.train(cfg)
    message = str(error.value)
    assert message.startswith('val_dataloader.dataset.ann_file')
    assert 'val.json: this is an HTML page' in message


def test_the_table_is_long_enough():
    rows = len(REFUSED_BOXES) + len(REFUSED_MASKS) + len(REPORTED)
    print(f'rows of bad training data: {rows}')
    assert rows >= 25
    assert len(ANIMALS) == 3
