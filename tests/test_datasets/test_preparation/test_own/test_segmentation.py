import json

import numpy as np
import pytest
from PIL import Image

from tests.test_datasets.test_preparation.miniatures import snapshot
from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import (
    SIZE,
    STEMS,
)
from tests.test_datasets.test_preparation.test_own.test_loading import (
    read_scenes,
)


def listed(root, split):
    return (root / f'prepared/{split}.txt').read_text().split('\n')[:-1]


def listed_stems(root):
    names = listed(root, 'train') + listed(root, 'val')
    return sorted(name.rpartition('/')[2] for name in names)


def notes(report):
    return '\n'.join(report.notes)


def test_masks_that_mmseg_reads_stay_where_they_are(tmp_path):
    mini.scenes(tmp_path)
    before = snapshot(tmp_path)
    report = mini.segmentation(tmp_path)
    assert mini.described(tmp_path) == dict(
        task='segmentation',
        classes=['class_0', 'class_1', 'class_2'],
        splits=dict(train='prepared/train.txt', val='prepared/val.txt'),
        has_masks=False,
        image_folder='images',
        mask_folder='masks',
        image_suffix='.jpg',
        mask_suffix='.png',
    )
    assert report.converted == 0
    assert len(snapshot(tmp_path)) == len(before) + 3
    assert 'value 255 is ignored: 25.0% of all pixels' in report.notes
    assert report.as_text().endswith(
        'In a config, or with --cfg-options:\n'
        f"  data_root = '{tmp_path}/'\n"
        "  classes = ('class_0', 'class_1', 'class_2')\n"
        'Ready.'
    )


@pytest.mark.parametrize(
    'folders',
    [
        ('images', 'labels'),
        ('JPEGImages', 'SegmentationClass'),
        ('img', 'ann'),
        ('photos', 'Ground_Truth'),
        ('a', 'masks'),
        ('annotations/images', 'annotations/trimaps_masks'),
        ('leftImg8bit', 'gtFine'),
    ],
)
def test_folders_are_found(folders, tmp_path):
    mini.scenes(tmp_path, images=folders[0], masks=folders[1])
    report = mini.segmentation(tmp_path)
    assert report.ready, report.as_text()
    described = mini.described(tmp_path)
    assert described['image_folder'] == folders[0]
    assert described['mask_folder'] == folders[1]


def test_folders_can_be_named(tmp_path, monkeypatch):
    mini.scenes(tmp_path, images='x', masks='y', values=(0, 1))
    report = mini.segmentation(tmp_path)
    (problem,) = report.problems
    assert 'folders with images: x, y' in problem.text
    assert '--masks' in problem.remedy
    for base in ('', tmp_path):
        named = dict(images=tmp_path / base / 'x', masks=tmp_path / base / 'y')
        assert mini.segmentation(tmp_path, **named).ready
    (problem,) = mini.segmentation(tmp_path, masks=tmp_path.parent).problems
    assert 'below PATH' in problem.remedy


def test_masks_of_most_images_count(tmp_path):
    mini.scenes(tmp_path)
    mini.scenes(tmp_path, STEMS[:3], masks='annotations')
    report = mini.segmentation(tmp_path)
    assert 'not used: label maps in annotations (--masks FOLDER)' in (
        report.notes
    )
    assert mini.described(tmp_path)['mask_folder'] == 'masks'


def test_object_masks_of_voc_are_no_photos(tmp_path):
    mini.scenes(tmp_path, images='JPEGImages', masks='SegmentationClass')
    mini.scenes(tmp_path, images='JPEGImages', masks='SegmentationObject')
    mini.write(tmp_path / 'ImageSets/Segmentation/train.txt', *STEMS[:6])
    mini.write(tmp_path / 'ImageSets/Segmentation/val.txt', *STEMS[6:])
    mini.write(tmp_path / 'ImageSets/Main/train.txt', *STEMS)
    report = mini.segmentation(tmp_path)
    assert not report.remarks
    assert listed(tmp_path, 'train') == STEMS[:6]
    assert listed(tmp_path, 'val') == STEMS[6:]


@pytest.mark.parametrize(
    'photo, mask, suffix',
    [
        ('{}', '{}_mask', '_mask.png'),
        ('{}', '{}_label', '_label.png'),
        ('{}', '{}_L', '_L.png'),
        ('{}_leftImg8bit', '{}_gtFine_labelIds', '.png'),
        ('img_{}', 'mask_{}', '.png'),
        ('image{}', 'label{}', '.png'),
        ('frame-{}', 'frame-{}-seg', '-seg.png'),
    ],
)
def test_common_suffix_is_found(photo, mask, suffix, tmp_path):
    for number in range(11):
        stem = f'{number:02d}'
        mini.photo(tmp_path / f'images/{photo.format(stem)}.jpg')
        pixels = mini.labels_of(number)
        mini.mask(tmp_path / f'masks/{mask.format(stem)}.png', pixels)
    report = mini.segmentation(tmp_path)
    assert not report.remarks, report.as_text()
    assert mini.described(tmp_path)['mask_suffix'] == suffix
    found = read_scenes(tmp_path)
    for number in range(11):
        _, labels = found[photo.format(f'{number:02d}')]
        assert np.array_equal(labels, mini.labels_of(number))


def test_label_maps_beside_colored_ones(tmp_path):
    mini.scenes(tmp_path, tail='_labelIds')
    mini.scenes(tmp_path, tail='_color')
    mini.scenes(tmp_path, tail='_instanceIds')
    report = mini.segmentation(tmp_path)
    assert not report.remarks
    assert mini.described(tmp_path)['mask_suffix'] == '_labelIds.png'


def test_names_of_which_one_begins_with_another(tmp_path):
    stems = ['1', '11', '111', '2', '22']
    mini.scenes(tmp_path, stems, tail='_mask')
    assert not mini.segmentation(tmp_path).remarks
    found = read_scenes(tmp_path)
    for number, stem in enumerate(stems):
        assert np.array_equal(found[stem][1], mini.labels_of(number))


#: Values of the label maps, options, classes, and what is read of each value.
VALUES = {
    'binary': ((0, 255), {}, 2, {0: 0, 255: 1}),
    'binary, ignored': ((0, 1, 255), {}, 2, {0: 0, 1: 1, 255: 255}),
    'gaps': ((0, 3, 9), {}, 3, {0: 0, 3: 1, 9: 2}),
    'from 1': ((1, 2, 3), {}, 3, {1: 0, 2: 1, 3: 2}),
    '0 ignored': ((0, 1, 2), dict(ignore=0), 2, {0: 255, 1: 0, 2: 1}),
    'nothing ignored': ((0, 1, 255), dict(ignore=-1), 3, {255: 2}),
    'other ignored': ((0, 1, 99), dict(ignore=99), 2, {99: 255}),
    'named': ((0, 2), dict(classes=('a', 'b', 'c')), 3, {0: 0, 2: 2}),
    'named, gaps': ((0, 7), dict(classes=('a', 'b')), 2, {0: 0, 7: 1}),
    'named, from 1': (
        (1, 3),
        dict(classes=('a', 'b', 'c')),
        3,
        {1: 0, 3: 2},
    ),
}


@pytest.mark.parametrize('name', VALUES)
def test_values_become_classes(name, tmp_path):
    values, options, count, table = VALUES[name]
    mini.scenes(tmp_path, values=values)
    report = mini.segmentation(tmp_path, **options)
    assert report.ready, report.as_text()
    assert len(mini.described(tmp_path)['classes']) == count
    found = read_scenes(tmp_path)
    for number, stem in enumerate(STEMS):
        labels = found[stem][1]
        given = mini.labels_of(number, values)
        for value, label in table.items():
            assert (labels[given == value] == label).all()


def test_binary_masks_are_named(tmp_path):
    mini.scenes(tmp_path, values=(0, 255))
    report = mini.segmentation(tmp_path, classes=('ground', 'road'))
    assert 'only 0 and 255 occur: 255 is class 1' in notes(report)
    assert report.classes == dict(ground=10, road=10)
    assert 'label maps are written to prepared/masks/' in report.notes


def test_values_that_moved_are_named(tmp_path):
    mini.scenes(tmp_path, values=(0, 3, 9))
    report = mini.segmentation(tmp_path)
    assert 'values become numbers of classes: 3 -> 1, 9 -> 2' in notes(report)
    assert '--classes a,b,c' in notes(report)


@pytest.mark.parametrize(
    'values, options, message',
    [
        ((0,), {}, 'all pixels of all label maps are 0'),
        ((255,), dict(ignore=255), 'hold the values [255] only'),
        (
            (0, 1, 2, 3),
            dict(classes=('a', 'b')),
            'values [0, 1, 2, 3], and 2 classes are named: a, b',
        ),
        (
            (*[0] * 60, *[255] * 60, *range(20, 240, 20)),
            {},
            'edges were blurred',
        ),
    ],
)
def test_values_that_cannot_be_classes(values, options, message, tmp_path):
    mini.scenes(tmp_path, values=values)
    (problem,) = mini.segmentation(tmp_path, **options).problems
    assert message in problem.text
    assert problem.remedy
    assert not (tmp_path / 'prepared').exists()


def test_voc_palette_of_many_classes_is_not_taken_for_blur(tmp_path):
    values = (*[0] * 80, *range(21), 255)
    mini.scenes(tmp_path, values=values, mode='P')
    assert len(mini.segmentation(tmp_path).classes) == 21


def test_sixteen_bit_values(tmp_path):
    mini.scenes(tmp_path, values=(0, 1000, 65535), dtype='uint16')
    report = mini.segmentation(tmp_path, ignore=65535)
    assert '1000 -> 1' in notes(report)
    labels = read_scenes(tmp_path)[STEMS[0]][1]
    assert set(np.unique(labels)) == {0, 1, 255}


@pytest.mark.parametrize(
    'file, text',
    [
        ('classes.txt', 'sky\nroad\ncar\n'),
        ('classes.txt', '\ufeff0: sky\n1: road\n2: car\n'),
        (
            'labelmap.txt',
            '# label:color_rgb:parts:actions\nsky:0,0,0::\n'
            'road:1,1,1::\ncar:2,2,2::\n',
        ),
        ('class_dict.csv', 'name,r,g,b\nsky,0,0,0\nroad,1,1,1\ncar,2,2,2\n'),
    ],
)
def test_names_of_classes_are_read(file, text, tmp_path):
    mini.scenes(tmp_path)
    (tmp_path / file).write_text(text, encoding='utf-8')
    report = mini.segmentation(tmp_path)
    assert mini.described(tmp_path)['classes'] == ['sky', 'road', 'car']
    assert f'names of the classes: {file}' in report.notes


COLORS = {'sky': (0, 0, 200), 'road': (128, 64, 128), 'car': (7, 7, 7)}


def colored(root, *more):
    colors = [*COLORS.values(), *more]
    for number, stem in enumerate(STEMS):
        mini.photo(root / f'images/{stem}.jpg')
        labels = mini.labels_of(number, range(len(colors)))
        pixels = np.array(colors, np.uint8)[labels]
        mini.mask(root / f'masks/{stem}.png', pixels)
    return root


def test_colors_are_named(tmp_path):
    colored(tmp_path)
    (problem,) = mini.segmentation(tmp_path).problems
    assert 'colors instead of numbers' in problem.text
    assert '128,64,128' in problem.text
    assert '--colors FILE' in problem.remedy


@pytest.mark.parametrize('kind', ['json', 'txt', 'csv', 'labelmap'])
def test_colors_become_classes(kind, tmp_path):
    colored(tmp_path, (9, 9, 8))
    lines = [f'{n}: {r},{g},{b}' for n, (r, g, b) in COLORS.items()]
    file = tmp_path / f'colors.{kind}'
    options = dict(colors=file)
    if kind == 'json':
        mini.write(file, json.dumps(COLORS))
    elif kind == 'labelmap':
        lines = [line.replace(' ', '') + '::' for line in lines]
        mini.write(tmp_path / 'labelmap.txt', '# label:color', *lines)
        options = {}
    else:
        mini.write(
            file,
            *(
                line.replace(':', ',' * (kind == 'csv') or ':')
                for line in lines
            ),
        )
    # All of it is one class whose color is a gray.
    mini.mask(tmp_path / 'masks/p00.png', np.full((SIZE[1], SIZE[0], 3), 7))
    report = mini.segmentation(tmp_path, **options)
    assert report.ready, report.as_text()
    assert '1 colors of no class are ignored' in notes(report)
    assert mini.described(tmp_path)['classes'] == list(COLORS)
    found = read_scenes(tmp_path)
    assert (found['p00'][1] == 2).all()
    for number, stem in list(enumerate(STEMS))[1:]:
        given = mini.labels_of(number, range(4))
        expected = np.where(given == 3, 255, given)
        assert np.array_equal(found[stem][1], expected)


@pytest.mark.parametrize('text', ['{"a": [1, 2]}', '{"a": [1, 2, 300]}', '['])
def test_broken_file_of_colors_is_a_problem(text, tmp_path):
    colored(tmp_path)
    file = mini.write(tmp_path / 'colors.json', text)
    (problem,) = mini.segmentation(tmp_path, colors=file).problems
    assert problem.remedy == 'mend the file'
    gone = tmp_path / 'gone.json'
    (problem,) = mini.segmentation(tmp_path, colors=gone).problems
    assert 'gone.json cannot be read' in problem.text


def mask(root, stem='p00'):
    return root / f'masks/{stem}.png'


def broken_mask(root):
    content = mask(root).read_bytes()
    mask(root).write_bytes(content[: len(content) // 2])


def empty_mask(root):
    mask(root).write_bytes(b'')


def no_mask(root):
    mask(root).unlink()


def no_photo(root):
    (root / 'images/p00.jpg').unlink()


def broken_photo(root):
    path = root / 'images/p00.jpg'
    path.write_bytes(path.read_bytes()[:500])


def other_size(root):
    mini.mask(mask(root), mini.labels_of(size=(20, 15)))


def turned_photo(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    mini.photo(root / 'images/p00.jpg', exif=exif)


def all_ignored(root):
    mini.mask(mask(root), np.full(SIZE[::-1], 255))


def lossy(root):
    Image.open(mask(root)).save(root / 'masks/p00.jpg')
    mask(root).unlink()


def in_color(root):
    pixels = np.random.default_rng(0).integers(0, 9, (*SIZE[::-1], 3))
    mini.mask(mask(root), pixels)


DIRT = {
    broken_mask: '1 label map that cannot be read: masks/p00.png (',
    empty_mask: 'masks/p00.png (the file is empty)',
    no_mask: '1 image without a label map: images/p00.jpg',
    no_photo: '1 label file without an image: masks/p00.png',
    broken_photo: '1 image that cannot be decoded: images/p00.jpg (',
    other_size: 'of another size than its label map: images/p00.jpg (40x30, '
    '20x15)',
    turned_photo: 'turned by its EXIF orientation, and its label map is not',
    all_ignored: 'in which every pixel is ignored: masks/p00.png',
    lossy: '1 label map in JPEG format, which changes labels: masks/p00.jpg',
    in_color: '1 label map with colors, while most have numbers of classes',
}


@pytest.mark.parametrize('spoil', DIRT, ids=lambda f: f.__name__)
def test_pair_is_left_out(spoil, tmp_path):
    mini.scenes(tmp_path)
    spoil(tmp_path)
    report = mini.segmentation(tmp_path)
    assert mini.only_remark(report, DIRT[spoil]).remedy
    assert report.ready
    assert listed_stems(tmp_path) == STEMS[1:]
    assert 'Ready, without 1 ' in report.as_text()
    assert sorted(read_scenes(tmp_path)) == STEMS[1:]


def test_jpeg_masks_are_a_problem(tmp_path):
    mini.scenes(tmp_path)
    for stem in STEMS:
        Image.open(mask(tmp_path, stem)).save(tmp_path / f'masks/{stem}.jpg')
        mask(tmp_path, stem).unlink()
    report = mini.segmentation(tmp_path)
    assert not report.ready
    assert 'export it again, as PNG' in report.as_text()


def test_photo_and_mask_turned_alike_are_used(tmp_path):
    mini.scenes(tmp_path)
    turned_photo(tmp_path)
    mini.mask(mask(tmp_path), mini.labels_of(size=SIZE[::-1]))
    assert not mini.segmentation(tmp_path).remarks


@pytest.mark.parametrize('stem', [' a', 'a ', 'town /a', ' town/a'])
def test_spaces_that_a_list_would_lose(stem, tmp_path):
    mini.scenes(tmp_path, [*STEMS, stem])
    report = mini.segmentation(tmp_path)
    mini.only_remark(report, f"'images/{stem}.jpg'")
    assert sorted(read_scenes(tmp_path)) == STEMS


def test_names_with_spaces_and_accents(tmp_path):
    mini.scenes(tmp_path, ['K\u00e4fer 1', 'K\u00e4fer 2', '\u732b'])
    mini.segmentation(tmp_path)
    assert sorted(read_scenes(tmp_path)) == [
        'K\u00e4fer 1',
        'K\u00e4fer 2',
        '\u732b',
    ]


def test_lists_may_name_image_and_mask(tmp_path):
    mini.scenes(tmp_path)
    for split, stems in (('train', STEMS[:6]), ('val', STEMS[6:])):
        lines = [f'images/{stem}.jpg masks/{stem}.png' for stem in stems]
        mini.write(tmp_path / f'{split}.txt', *lines)
    assert not mini.segmentation(tmp_path).remarks
    assert listed(tmp_path, 'val') == STEMS[6:]


def test_split_folders_below_the_two(tmp_path):
    for split, stems in (('train', STEMS[:6]), ('val', STEMS[6:])):
        mini.scenes(tmp_path, stems, f'images/{split}', f'masks/{split}')
    mini.segmentation(tmp_path)
    assert listed(tmp_path, 'val') == [f'val/{stem}' for stem in STEMS[6:]]
    assert mini.described(tmp_path)['mask_folder'] == 'masks'


def test_made_split_has_each_class_in_train(tmp_path):
    mini.scenes(tmp_path, values=(0, 1))
    for stem in STEMS[:2]:
        mini.mask(mask(tmp_path, stem), mini.labels_of(0, (0, 1, 2)))
    report = mini.segmentation(tmp_path)
    assert not report.remarks
    assert report.classes == dict(class_0=10, class_1=10, class_2=2)


def test_many_processes_write_the_same(tmp_path):
    stems = [f's{number:02d}' for number in range(40)]
    for workers in (1, 3):
        root = tmp_path / str(workers)
        mini.scenes(root, stems, values=(0, 7, 255))
        mini.segmentation(root, workers=workers)
    first, second = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in (folder / 'prepared').rglob('*')
            if path.is_file()
        }
        for folder in (tmp_path / '1', tmp_path / '3')
    )
    assert len(first) == 43
    assert first == second


def test_originals_are_not_changed_through_links(tmp_path):
    # Other suffixes give the label maps other names.
    mini.scenes(tmp_path)
    (tmp_path / 'images/p00.jpg').rename(tmp_path / 'images/p00.JPEG')
    before = snapshot(tmp_path)
    assert mini.segmentation(tmp_path).converted == 10
    mini.segmentation(tmp_path, ignore=2, overwrite=True)
    assert snapshot(tmp_path).items() >= before.items()


def test_folders_of_masks_that_are_called_after_a_split_belong_together(
    tmp_path,
):
    for split, stems in dict(train=STEMS[:6], val=STEMS[6:]).items():
        mini.scenes(tmp_path, stems, images=split, masks=f'{split}_labels')
    assert mini.segmentation(tmp_path).ready
    assert len(listed(tmp_path, 'train')) == 6
    assert len(listed(tmp_path, 'val')) == len(STEMS) - 6


def test_more_classes_than_eight_bits_hold_are_a_problem(tmp_path):
    mini.scenes(tmp_path)
    names = tuple(f'kind {number}' for number in range(300))
    report = mini.segmentation(tmp_path, classes=names)
    assert not report.ready
    assert '300 classes' in report.problems[0].text
