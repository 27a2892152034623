"""What is broken is reported, left out or mended, and stops nothing."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import (
    SIZE,
    STEMS,
    xml,
    xml_object,
)

JPG = 'images/p00.jpg'
XML = 'annotations/p00.xml'
OK = xml_object('cat')


def truncate(path, share=0.6):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def truncated_jpeg(root):
    truncate(root / JPG)


def truncated_png(root):
    (root / JPG).unlink()
    truncate(mini.photo(root / 'images/p00.png'))


def empty_file(root):
    (root / JPG).write_bytes(b'')


def no_image(root):
    (root / JPG).write_text('<html>404</html>')


def phone_photo(root):
    (root / JPG).unlink()
    (root / 'images/p00.heic').write_bytes(b'\0\0\0\x18ftypheic' + bytes(99))


def lfs_pointer(root):
    (root / JPG).write_text('version https://git-lfs.github.com/spec/v1\n')


def no_label(root):
    (root / XML).unlink()


def no_xml(root):
    (root / XML).write_text('<annotation><object>')


def entity_bomb(root):
    lines = ['<!ENTITY a0 "ha">']
    for n in range(1, 40):
        lines.append(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">')
    mini.write(
        root / XML,
        '<?xml version="1.0"?><!DOCTYPE annotation [',
        *lines,
        ']><annotation><object><name>&a39;</name></object></annotation>',
    )


#: What is done to one of ten images, and the remark on it, which then is left
#: out.
LOST_IMAGES = {
    truncated_jpeg: '1 image that cannot be decoded: images/p00.jpg (image '
    'file is truncated',
    truncated_png: '1 image that cannot be decoded: images/p00.png (',
    empty_file: 'images/p00.jpg (the file is empty)',
    no_image: 'images/p00.jpg (no image format that Pillow knows)',
    phone_photo: 'images/p00.heic (HEIC or AVIF)',
    lfs_pointer: 'images/p00.jpg (a pointer of Git LFS: run git lfs pull)',
    no_label: '1 image without a label: images/p00.jpg',
    no_xml: '1 label file that cannot be read: annotations/p00.xml (no '
    'element found',
    entity_bomb: 'annotations/p00.xml (it has a DOCTYPE',
}


@pytest.mark.parametrize('spoil', LOST_IMAGES, ids=lambda f: f.__name__)
def test_image_is_left_out(spoil, tmp_path):
    mini.voc(tmp_path)
    spoil(tmp_path)
    report = mini.detection(tmp_path)
    assert mini.only_remark(report, LOST_IMAGES[spoil]).remedy
    assert report.ready
    assert report.left_out in ('1 image', '1 label file')
    assert report.as_text().endswith(
        f'Ready, without {report.left_out}: see ? above.'
    )
    assert len(mini.names(tmp_path)) == 9


#: Objects of one image beside a good one, the remark, and what is kept.
OBJECTS = {
    'swapped': (
        xml_object('cat', (24, 18, 4, 3)),
        'whose right is left of its left',
        [[4, 3, 20, 15]],
    ),
    'no width': (
        xml_object('cat', (4, 3, 4, 18)),
        'less than one pixel wide or high: annotations/p00.xml object 2 (4, '
        '3, 4, 18)',
        [],
    ),
    'outside': (
        xml_object('cat', (50, 3, 60, 18)),
        'outside of the image: annotations/p00.xml object 2 (50, 3, 60, 18) '
        'of 40x30',
        [],
    ),
    'reaches out': (
        xml_object('cat', (30, 3, 60, 18)),
        'that reaches out of the image; cut at its edge',
        [[30, 3, 10, 15]],
    ),
    'nan': (
        xml_object('cat', (float('nan'), 3, 24, 18)),
        'with NaN or infinity',
        [],
    ),
    'no number': (
        xml_object('cat').replace('>5<', '>five<'),
        'without a class or a box: annotations/p00.xml object 2 (could not '
        "convert string to float: 'five')",
        [],
    ),
    'no side': (
        xml_object('cat').replace('<xmin>5</xmin>', ''),
        'object 2 (no xmin)',
        [],
    ),
    'no box': ('<object><name>cat</name></object>', '(no bndbox)', []),
    'no name': (xml_object(' '), '(no name)', []),
    'other case': (
        xml_object('Cat'),
        "classes that are probably the same: 'Cat', 'cat'",
        [[4, 3, 20, 15]],
    ),
}


@pytest.mark.parametrize('name', OBJECTS)
def test_object_is_left_out_or_mended(name, tmp_path):
    mini.voc(tmp_path)
    text, message, kept = OBJECTS[name]
    mini.write(tmp_path / XML, xml(OK, text))
    report = mini.detection(tmp_path)
    # A class of one object cannot be in both splits.
    assert mini.remark(report, message).remedy
    assert report.ready
    assert report.left_out == ('' if kept else '1 object')
    boxes = [
        item['bbox']
        for split in ('train', 'val')
        for item in mini.result(tmp_path, split)['annotations']
    ]
    assert len(boxes) == 10 + len(kept)
    assert all(box in boxes for box in kept)


@pytest.mark.parametrize(
    'name', [' cat', 'cat ', '\ncat\t'], ids=['left', 'right', 'both']
)
def test_spaces_around_a_class_name_do_not_count(name, tmp_path):
    mini.voc(tmp_path)
    mini.write(tmp_path / XML, xml(OK, xml_object(name)))
    report = mini.detection(tmp_path)
    assert not report.remarks
    assert report.classes == dict(cat=6, dog=5)


def test_rounding_at_the_edge_is_not_worth_a_remark(tmp_path):
    mini.voc(tmp_path)
    # Programs that count from 0 write 0 for the first pixel.
    text = xml(xml_object('cat', (-1, -1, *SIZE)))
    mini.write(tmp_path / XML, text)
    assert not mini.detection(tmp_path).remarks


def test_difficult_objects_are_ignored_as_by_mmdet(tmp_path):
    mini.voc(tmp_path)
    hard = xml_object('cat', extra='<difficult>1</difficult>')
    easy = xml_object('cat', extra='<difficult>0</difficult>')
    mini.write(tmp_path / XML, xml(hard, easy))
    mini.detection(tmp_path)
    flags = [
        item['iscrowd']
        for split in ('train', 'val')
        for item in mini.result(tmp_path, split)['annotations']
    ]
    assert sorted(flags) == [0] * 10 + [1]


def test_images_without_objects_are_kept_and_counted(tmp_path):
    mini.voc(tmp_path)
    for stem in STEMS[:3]:
        mini.write(tmp_path / f'annotations/{stem}.xml', xml())
    report = mini.detection(tmp_path, val_fraction=0.4)
    assert not report.remarks
    assert len(mini.names(tmp_path)) == 10
    counts = {count.what: count.found for count in report.counts}
    empty = [n for what, n in counts.items() if 'without objects' in what]
    assert sum(empty) == 3


def test_unlabeled_images_become_background_on_request(tmp_path):
    mini.voc(tmp_path)
    (tmp_path / XML).unlink()
    report = mini.detection(tmp_path, background=True)
    assert not report.remarks
    assert JPG in mini.names(tmp_path)


def test_label_without_an_image(tmp_path):
    mini.voc(tmp_path)
    (tmp_path / JPG).unlink()
    report = mini.detection(tmp_path)
    mini.only_remark(
        report, '1 label file without an image: annotations/p00.xml'
    )


def test_label_of_another_split_is_not_taken(tmp_path):
    mini.voc(tmp_path, STEMS[:7], 'train', 'train')
    mini.voc(tmp_path, STEMS[7:], 'val', 'val')
    os.rename(tmp_path / 'val/p09.xml', tmp_path / 'train/p09.xml')
    report = mini.detection(tmp_path)
    mini.remark(report, '1 label file without an image: train/p09.xml')
    mini.remark(report, '1 image without a label: val/p09.jpg')


def test_two_images_of_one_name(tmp_path):
    mini.voc(tmp_path)
    mini.photo(tmp_path / 'images/p00.png')
    text = xml(OK, filename='p00.png')
    mini.write(tmp_path / XML, text)
    report = mini.detection(tmp_path)
    # The label says which of the two.
    mini.only_remark(report, '1 image without a label: images/p00.jpg')
    mini.write(tmp_path / XML, xml(OK))
    report = mini.detection(tmp_path, overwrite=True)
    mini.only_remark(report, 'images/p00.png (of images/p00.jpg)')
    assert len(mini.names(tmp_path)) == 10


def test_two_labels_of_one_image(tmp_path):
    mini.voc(tmp_path)
    mini.write(tmp_path / 'old/xml/p00.xml', xml(xml_object('dog')))
    report = mini.detection(tmp_path)
    mini.only_remark(report, 'another label file')
    assert report.classes == dict(cat=5, dog=5)


@pytest.mark.parametrize(
    'name', ['A.JPG', 'a.jpeg', 'a.png', 'a.bmp', 'a.webp', 'a.tif']
)
def test_image_formats(name, tmp_path):
    mini.voc(tmp_path)
    mini.photo(tmp_path / 'images' / name)
    mini.write(tmp_path / 'annotations/a.xml', xml(OK))
    assert not mini.detection(tmp_path).remarks
    assert f'images/{name}' in mini.names(tmp_path)


@pytest.mark.parametrize(
    'name, mode',
    [('a.jpg', 'L'), ('a.jpg', 'CMYK'), ('a.png', 'RGBA'), ('a.png', 'P')],
)
def test_color_modes(name, mode, tmp_path):
    mini.voc(tmp_path)
    mini.photo(tmp_path / 'images' / name, mode=mode)
    mini.write(tmp_path / 'annotations/a.xml', xml(OK))
    assert not mini.detection(tmp_path).remarks
    assert len(mini.names(tmp_path)) == 11


def test_sixteen_bits_are_reported(tmp_path):
    mini.voc(tmp_path)
    pixels = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16) * 50
    image = Image.fromarray(pixels.reshape(SIZE[1], SIZE[0]))
    image.save(tmp_path / 'images/a.png')
    image.save(tmp_path / 'images/b.tif')
    for stem in 'ab':
        mini.write(tmp_path / f'annotations/{stem}.xml', xml(OK))
    report = mini.detection(tmp_path)
    mini.only_remark(report, '2 images of more than 8 bits a channel')
    assert len(mini.names(tmp_path)) == 12


def turned(path, orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return mini.photo(path, exif=exif)


def test_size_is_that_after_the_rotation_of_exif(tmp_path):
    mini.voc(tmp_path)
    turned(tmp_path / JPG)
    text = xml(xml_object('cat', (4, 3, 20, 35)), size=SIZE[::-1])
    mini.write(tmp_path / XML, text)
    assert not mini.detection(tmp_path).remarks
    content = mini.result(tmp_path, 'train')
    content['images'] += mini.result(tmp_path, 'val')['images']
    (image,) = (i for i in content['images'] if i['file_name'] == JPG)
    assert (image['width'], image['height']) == SIZE[::-1]
    # What the pipeline reads.
    import mmcv

    pixels = mmcv.imfrombytes((tmp_path / JPG).read_bytes())
    assert pixels.shape[:2] == (image['height'], image['width'])


def test_size_before_the_rotation_of_exif_is_named(tmp_path):
    mini.voc(tmp_path)
    turned(tmp_path / JPG)
    report = mini.detection(tmp_path)
    item = mini.only_remark(report, '(label 40x30, image 30x40)')
    assert 'exiftool' in item.remedy
    assert len(mini.names(tmp_path)) == 10


def test_other_size_in_the_label_is_reported_and_boxes_are_kept(tmp_path):
    mini.voc(tmp_path)
    mini.write(tmp_path / XML, xml(OK, size=(80, 60)))
    report = mini.detection(tmp_path)
    mini.only_remark(report, 'p00.jpg (label 80x60, image 40x30)')
    assert report.classes == dict(cat=5, dog=5)


@pytest.mark.parametrize('size', [(0, 0), ('', ''), ('x', 'y')])
def test_unknown_size_in_the_label_is_none(size, tmp_path):
    mini.voc(tmp_path)
    mini.write(tmp_path / XML, xml(OK, size=size))
    assert not mini.detection(tmp_path).remarks


def test_copies_in_train_and_val_are_reported(tmp_path):
    mini.voc(tmp_path, STEMS[:7], 'train', 'train')
    mini.voc(tmp_path, STEMS[7:], 'val', 'val')
    content = (tmp_path / 'train/p01.jpg').read_bytes()
    (tmp_path / 'val/p09.jpg').write_bytes(content)
    report = mini.detection(tmp_path)
    mini.only_remark(report, 'val val/p09.jpg = train train/p01.jpg')


def test_images_outside_of_the_splits_are_reported(tmp_path):
    mini.voc(tmp_path, STEMS[:6], 'train', 'train')
    mini.voc(tmp_path, STEMS[6:8], 'val', 'val')
    mini.voc(tmp_path, STEMS[8:], 'more', 'more')
    report = mini.detection(tmp_path)
    mini.only_remark(report, '2 images in none of the splits: more/p08.jpg')


def test_lines_of_a_list_without_image_are_reported(tmp_path):
    mini.voc(tmp_path)
    mini.write(tmp_path / 'train.txt', *STEMS[:6], '', 'gone')
    mini.write(tmp_path / 'val.txt', *STEMS[6:], 'images/p08.jpg')
    report = mini.detection(tmp_path)
    item = mini.only_remark(report, '1 line of split lists')
    assert 'train.txt:8 (gone)' in item.text
    assert len(mini.names(tmp_path, 'val')) == 4


def test_class_that_is_only_in_val_is_reported(tmp_path):
    mini.voc(tmp_path, STEMS[:8:2], 'train', 'train')
    mini.voc(tmp_path, STEMS[7:], 'val', 'val')
    report = mini.detection(tmp_path)
    mini.only_remark(report, '1 of 2 classes without an object in train: dog')


def test_data_without_objects_is_a_problem(tmp_path):
    mini.voc(tmp_path)
    for path in (tmp_path / 'annotations').iterdir():
        path.write_text(xml())
    report = mini.detection(tmp_path)
    assert not report.ready
    assert not (tmp_path / 'prepared').exists()


def test_val_without_an_object_is_a_problem(tmp_path):
    mini.voc(tmp_path, STEMS[:8], 'train', 'train')
    mini.voc(tmp_path, STEMS[8:], 'val', 'val')
    for stem in STEMS[8:]:
        mini.write(tmp_path / f'val/{stem}.xml', xml())
    (problem,) = mini.detection(tmp_path).problems
    assert 'val has no image with an object' in problem.text
    assert not (tmp_path / 'prepared').exists()


def test_one_image_is_a_problem(tmp_path):
    mini.voc(tmp_path, STEMS[:1])
    report = mini.detection(tmp_path)
    assert not report.ready
    assert 'add labeled images' in report.as_text()


def test_all_images_broken_is_a_problem(tmp_path):
    mini.voc(tmp_path)
    for path in (tmp_path / 'images').iterdir():
        path.write_bytes(b'')
    report = mini.detection(tmp_path)
    assert not report.ready
    assert '10 images that cannot be decoded' in report.as_text()


def test_name_that_is_no_text_is_reported(tmp_path):
    mini.voc(tmp_path)
    name = os.fsencode(tmp_path) + b'/images/caf\xe9.jpg'
    try:
        with open(name, 'wb'):
            pass
    except OSError:
        pytest.skip('this file system has no such names')
    report = mini.detection(tmp_path)
    mini.only_remark(report, 'images/caf\\udce9.jpg')
    json.loads(report.as_json())


def test_opencv_has_to_decode_it_too(tmp_path, monkeypatch):
    import cv2

    mini.voc(tmp_path)
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: None)
    report = mini.detection(tmp_path)
    assert 'JPEG, which OpenCV does not decode' in report.as_text()


def test_truncated_images_are_found_whatever_was_set_before(
    tmp_path, monkeypatch
):
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)
    mini.voc(tmp_path)
    truncated_jpeg(tmp_path)
    mini.only_remark(mini.detection(tmp_path), 'truncated')


def test_last_line_of_a_jpeg_is_decoded(tmp_path):
    """Dimensions and the first lines are there in a truncated file."""
    mini.voc(tmp_path)
    truncate(tmp_path / JPG, 0.97)
    mini.only_remark(mini.detection(tmp_path), 'cannot be decoded')


def test_many_names_are_cut(tmp_path):
    mini.voc(tmp_path)
    for stem in STEMS[:7]:
        (tmp_path / f'annotations/{stem}.xml').unlink()
    report = mini.detection(tmp_path)
    item = mini.remark(report, '7 images without a label')
    assert item.text.endswith('images/p04.jpg and 2 more')
