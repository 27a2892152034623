"""Layouts of photos with boxes. Each has the same objects."""

import json
import shutil

import pytest

from tests.test_datasets.test_preparation.miniatures import snapshot
from tests.test_datasets.test_preparation.test_own import miniatures as mini
from tests.test_datasets.test_preparation.test_own.miniatures import (
    BOX,
    KINDS,
    SIZE,
    STEMS,
)

TRAIN, VAL, TEST = STEMS[:6], STEMS[6:8], STEMS[8:]
SPLITS = dict(train=TRAIN, val=VAL, test=TEST)
YAML = 'names: [cat, dog]\n'


def voc_any_names(root):
    mini.voc(root)


def voc_nested(root):
    for number in (0, 5):
        stems = STEMS[number : number + 5]
        mini.voc(root, stems, f'img/day {number}', f'xml/day {number}')


def voc_beside(root):
    mini.voc(root, images='all', labels='all')


def voc_lists(root):
    mini.voc(root, images='JPEGImages', labels='Annotations')
    for split, stems in SPLITS.items():
        mini.write(root / f'ImageSets/Main/{split}.txt', *stems)
    mini.write(root / 'ImageSets/Main/trainval.txt', *TRAIN, *VAL)
    # What an image without the class has in the lists of one class.
    mini.write(root / 'ImageSets/Main/cat_train.txt', f'{TRAIN[0]} -1')


def voc_split_folders(root):
    for split, stems in SPLITS.items():
        folder = dict(val='valid').get(split, split)
        mini.voc(root, stems, f'{folder}/images', f'{folder}/Annotations')


def yolo_images_labels(root):
    for split, stems in SPLITS.items():
        mini.yolo_folder(root, stems, f'images/{split}', f'labels/{split}')
    paths = ''.join(f'{split}: images/{split}\n' for split in SPLITS)
    mini.write(root / 'data.yaml', f'path: ../datasets/x\n{paths}{YAML}')


def yolo_roboflow(root):
    for split, stems in SPLITS.items():
        folder = dict(val='valid').get(split, split)
        mini.yolo_folder(root, stems, f'{folder}/images', f'{folder}/labels')
    paths = ''.join(
        f'{split}: ../{dict(val="valid").get(split, split)}/images\n'
        for split in SPLITS
    )
    mini.write(root / 'data.yaml', paths + YAML)


def yolo_other_computer(root):
    for split, stems in SPLITS.items():
        mini.yolo_folder(root, stems, f'images/{split}', f'labels/{split}')
    paths = ''.join(
        f'{split}: C:\\Users\\me\\data\\images\\{split}\n' for split in SPLITS
    )
    mini.write(root / 'my.yml', paths + 'names:\n  0: cat\n  1: dog\n')


def yolo_image_lists(root):
    mini.yolo_folder(root)
    for split, stems in SPLITS.items():
        lines = [f'/content/x/images/{stem}.jpg' for stem in stems]
        mini.write(root / f'{split}.txt', *lines)
    paths = ''.join(f'{split}: {split}.txt\n' for split in SPLITS)
    mini.write(root / 'data.yaml', paths + YAML)


def yolo_flat(root):
    mini.yolo_folder(root)
    mini.write(root / 'data.yaml', f'train: images\n{YAML}')


def yolo_classes_txt(root):
    mini.yolo_folder(root, images='all', labels='all')
    mini.write(root / 'all/classes.txt', *KINDS)


def yolo_obj_names(root):
    mini.yolo_folder(root, images='obj_train_data', labels='obj_train_data')
    mini.write(root / 'obj.names', *KINDS)
    mini.write(root / 'obj.data', 'classes = 2')


def yolo_full_names(root):
    for stem in STEMS:
        mini.photo(root / f'{stem}.jpg')
        line = mini.yolo(KINDS.index(mini.kind_of(stem)))
        mini.write(root / f'{stem}.jpg.txt', line)
    mini.write(root / 'classes.txt', *KINDS)


def coco_one_file(root):
    mini.coco(root)


def coco_roboflow(root):
    for split, stems in SPLITS.items():
        folder = dict(val='valid').get(split, split)
        file = f'{folder}/_annotations.coco.json'
        mini.coco(root, stems, folder, file)


def coco_instances(root):
    # The same file names in all splits, as many data sets have.
    for split, stems in SPLITS.items():
        for stem in stems:
            mini.photo(root / f'{split}2017/{stem}.jpg')
        file = root / f'annotations/instances_{split}2017.json'
        mini.write(file, json.dumps(mini.coco_json(stems)))
        # COCO has more files on the same images.
        captions = mini.coco_json(stems)
        captions['annotations'] = []
        file = root / f'annotations/captions_{split}2017.json'
        mini.write(file, json.dumps(captions))


def coco_other_folders(root):
    mini.coco(root, images='photos/a')
    content = mini.coco_json(folder='C:\\data\\images\\')
    mini.write(root / 'labels.json', json.dumps(content))


#: With the splits that they have.
LAYOUTS = {
    voc_any_names: (),
    voc_nested: (),
    voc_beside: (),
    voc_lists: SPLITS,
    voc_split_folders: SPLITS,
    yolo_images_labels: SPLITS,
    yolo_roboflow: SPLITS,
    yolo_other_computer: SPLITS,
    yolo_image_lists: SPLITS,
    yolo_flat: (),
    yolo_classes_txt: (),
    yolo_obj_names: (),
    yolo_full_names: (),
    coco_one_file: (),
    coco_roboflow: SPLITS,
    coco_instances: SPLITS,
    coco_other_folders: (),
}


@pytest.mark.parametrize('make', LAYOUTS, ids=lambda make: make.__name__)
def test_layout(make, tmp_path):
    root = tmp_path / 'photos'
    make(root)
    originals = snapshot(root)
    report = mini.detection(root)
    assert report.ready, report.as_text()
    assert not report.remarks, report.as_text()
    assert snapshot(root).items() >= originals.items()
    classes = ('dog', 'cat') if 'coco' in make.__name__ else KINDS
    splits = LAYOUTS[make] or ('train', 'val')
    assert mini.described(root) == dict(
        task='detection',
        classes=list(classes),
        splits={split: f'prepared/{split}.json' for split in splits},
        has_masks=False,
        image_folder='',
        mask_folder='',
        image_suffix='',
        mask_suffix='',
    )
    assert report.usage[1:] == [
        'In a config, or with --cfg-options:',
        f"  data_root = '{root}/'",
        f'  classes = {classes}',
    ]
    left, top, right, bottom = BOX
    stems = []
    for split in splits:
        content = mini.result(root, split)
        assert [item['name'] for item in content['categories']] == list(
            classes
        )
        images = {image['id']: image for image in content['images']}
        assert list(images) == list(range(1, len(images) + 1))
        for item in content['annotations']:
            image = images[item['image_id']]
            assert (root / image['file_name']).is_file()
            assert (image['width'], image['height']) == SIZE
            stem = image['file_name'].rpartition('/')[2].partition('.')[0]
            stems.append(stem)
            if LAYOUTS[make]:
                assert stem in SPLITS[split]
            kind = classes[item['category_id'] - 1]
            assert kind == mini.kind_of(stem)
            assert item['bbox'] == [left, top, right - left, bottom - top]
            assert item['area'] == (right - left) * (bottom - top)
    assert sorted(stems) == STEMS


def test_format_with_labels_of_most_images_counts(tmp_path):
    mini.voc(tmp_path)
    mini.yolo_folder(tmp_path, STEMS[:4])
    mini.write(tmp_path / 'classes.txt', 'ant', 'bee')
    report = mini.detection(tmp_path)
    assert report.classes == dict(cat=5, dog=5)
    assert 'not used: YOLO txt of 4 images (--format yolo)' in report.notes


def test_format_without_objects_does_not_count(tmp_path):
    content = mini.coco_json()
    content['annotations'] = []
    mini.voc(tmp_path)
    mini.write(tmp_path / 'labels.json', json.dumps(content))
    assert mini.detection(tmp_path).classes == dict(cat=5, dog=5)


def test_format_can_be_named(tmp_path):
    mini.voc(tmp_path)
    mini.yolo_folder(tmp_path, STEMS[:4])
    mini.write(tmp_path / 'classes.txt', 'ant', 'bee')
    report = mini.detection(tmp_path, format='yolo')
    assert report.classes == dict(ant=2, bee=2)
    assert mini.remark(report, '6 images without a label')


def test_unlabeled_test_split_of_a_contest_is_left_out(tmp_path):
    mini.voc(tmp_path, images='train', labels='train')
    for number in range(3):
        mini.photo(tmp_path / f'test/{number}.jpg')
    report = mini.detection(tmp_path)
    assert mini.only_remark(report, '3 images without a label: test/0.jpg')
    assert list(mini.described(tmp_path)['splits']) == ['train', 'val']
    assert len(mini.result(tmp_path, 'val')['images']) == 2
    assert report.as_text().endswith('Ready, without 3 images: see ? above.')


def test_test_is_val_where_there_is_no_val(tmp_path):
    mini.voc(tmp_path, TRAIN, 'train', 'train')
    mini.voc(tmp_path, TEST, 'test', 'test')
    report = mini.detection(tmp_path)
    assert not report.remarks
    assert any('no val in folders' in note for note in report.notes)
    assert mini.names(tmp_path, 'val') == mini.names(tmp_path, 'test')


def test_folder_named_train_beside_other_classes_is_no_split(tmp_path):
    mini.voc(tmp_path, STEMS[:5], 'train', 'train')
    mini.voc(tmp_path, STEMS[5:], 'bus', 'bus')
    mini.detection(tmp_path)
    assert len(mini.names(tmp_path)) == 10


def test_validating_on_the_training_images_is_kept_and_reported(tmp_path):
    mini.yolo_folder(tmp_path)
    mini.write(tmp_path / 'data.yaml', 'train: images', 'val: images', YAML)
    report = mini.detection(tmp_path)
    mini.only_remark(report, 'train and val are the same images')
    assert mini.names(tmp_path, 'train') == mini.names(tmp_path, 'val')


def test_lists_of_several_parts_are_read_together(tmp_path):
    # Both have files of the same names.
    for year in ('VOC2007', 'VOC2012'):
        folder = tmp_path / year
        mini.voc(folder, images='JPEGImages', labels='Annotations')
        for split in ('train', 'val'):
            mini.write(folder / f'ImageSets/Main/{split}.txt', *SPLITS[split])
    mini.detection(tmp_path)
    assert mini.names(tmp_path, 'val') == [
        f'{year}/JPEGImages/{stem}.jpg'
        for year in ('VOC2007', 'VOC2012')
        for stem in VAL
    ]


@pytest.mark.parametrize(
    'file, text, found',
    [
        ('a.json', '{"shapes": [], "imagePath": "p00.jpg"}', 'LabelMe'),
        ('a.json', '[{"image": "p00.jpg", "annotations": []}]', 'CreateML'),
        ('a.xml', '<annotations><image/></annotations>', 'CVAT'),
        ('a.csv', 'p00.jpg,1,2,3,4,cat', 'a table, a.csv'),
        ('a.md', 'no labels', 'there are no labels'),
        ('p00.txt', 'cat .5 .5 .2 .2', "p00.txt begins with 'cat .5 .5"),
        ('a.json', '{"images": [], "annotations": []}', 'without categories'),
    ],
)
def test_other_formats_are_named(tmp_path, file, text, found):
    mini.photo(tmp_path / 'p00.jpg')
    mini.write(tmp_path / file, text)
    (problem,) = mini.detection(tmp_path).problems
    assert found in problem.text
    assert problem.remedy


@pytest.mark.parametrize('task', [mini.detection, mini.segmentation])
def test_folder_without_images_is_a_problem(tmp_path, task):
    (problem,) = task(tmp_path).problems
    assert f'no images in {tmp_path}' in problem.text
    (problem,) = task(tmp_path / 'nothing').problems
    assert 'no folder' in problem.text


def test_links_are_followed_once(tmp_path):
    store = tmp_path / 'store'
    mini.voc(store)
    root = tmp_path / 'photos'
    root.mkdir()
    (root / 'images').symlink_to(store / 'images')
    (root / 'xml').symlink_to(store / 'annotations')
    (root / 'loop').symlink_to(root)
    (root / 'images/gone.jpg').symlink_to(tmp_path / 'gone.jpg')
    mini.write(root / 'xml/gone.xml', mini.xml(mini.xml_object('cat')))
    report = mini.detection(root)
    mini.only_remark(report, 'gone.jpg (No such file')
    assert len(mini.names(root)) == 10


def test_what_programs_leave_behind_is_ignored(tmp_path):
    mini.voc(tmp_path)
    for name in (
        'images/._p00.jpg',
        'images/.DS_Store',
        'images/Thumbs.db',
        '__MACOSX/images/p00.jpg',
        '.ipynb_checkpoints/p00-checkpoint.jpg',
        'annotations/._p00.xml',
    ):
        mini.write(tmp_path / name, 'nothing')
    report = mini.detection(tmp_path)
    assert not report.remarks
    assert len(mini.names(tmp_path)) == 10


def test_names_of_the_label_count_after_its_own(tmp_path):
    mini.voc(tmp_path)
    # The file's own name is no image's, and the name in it is.
    mini.photo(tmp_path / 'images/Q 1.JPG')
    mini.write(
        tmp_path / 'annotations/000077.xml',
        mini.xml(mini.xml_object('cat'), filename='D:\\in\\Q 1.png'),
    )
    # Both are, and the file's own counts.
    text = mini.xml(mini.xml_object('dog'), filename='p00.jpg')
    mini.write(tmp_path / 'annotations/p01.xml', text)
    assert not mini.detection(tmp_path).remarks
    assert 'images/Q 1.JPG' in mini.names(tmp_path)
    assert len(mini.names(tmp_path)) == 11


def test_accents_match_in_both_ways_of_writing_them(tmp_path):
    mini.voc(tmp_path)
    mini.photo(tmp_path / 'images/Ka\u0308fer 1.jpg')
    name = 'annotations/K\u00e4fer 1.xml'
    mini.write(tmp_path / name, mini.xml(mini.xml_object('cat')))
    assert not mini.detection(tmp_path).remarks
    assert 'images/Ka\u0308fer 1.jpg' in mini.names(tmp_path)


def test_second_run_with_another_seed_makes_another_split(tmp_path):
    mini.voc(tmp_path / 'a')
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')
    shutil.copytree(tmp_path / 'a', tmp_path / 'c')
    mini.detection(tmp_path / 'a')
    mini.detection(tmp_path / 'b', workers=3)
    mini.detection(tmp_path / 'c', seed=5)
    first = mini.names(tmp_path / 'a', 'val')
    assert mini.names(tmp_path / 'b', 'val') == first
    assert mini.names(tmp_path / 'c', 'val') != first


def file_names(*stems):
    return sorted(f'images/{stem}.jpg' for stem in stems)


def test_images_of_a_test_list_are_never_trained_on(tmp_path):
    mini.voc(tmp_path)
    mini.write(tmp_path / 'ImageSets/Main/test.txt', *TEST)
    assert mini.detection(tmp_path).ready
    assert mini.names(tmp_path, 'val') == file_names(*TEST)
    assert mini.names(tmp_path, 'train') == file_names(*TRAIN, *VAL)


def test_trainval_beside_val_has_the_images_to_train_on(tmp_path):
    mini.voc(tmp_path)
    lists = tmp_path / 'ImageSets/Main'
    mini.write(lists / 'trainval.txt', *TRAIN, *VAL)
    mini.write(lists / 'val.txt', *VAL)
    mini.write(lists / 'test.txt', *TEST)
    assert mini.detection(tmp_path).ready
    for split, stems in SPLITS.items():
        assert mini.names(tmp_path, split) == file_names(*stems)


def test_image_of_two_lists_of_one_split_counts_once(tmp_path):
    mini.voc(tmp_path)
    for folder in ('A', 'B'):
        lists = tmp_path / folder / 'ImageSets/Main'
        mini.write(lists / 'train.txt', *TRAIN)
        mini.write(lists / 'val.txt', *VAL)
    assert mini.detection(tmp_path).ready
    assert mini.names(tmp_path, 'train') == file_names(*TRAIN)
