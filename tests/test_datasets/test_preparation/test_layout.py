from cankd_mm.datasets.preparation import prepare
from cankd_mm.datasets.preparation.report import SHOWN
from tests.test_datasets.test_preparation.miniatures import make


def problems(report):
    return {problem.text: problem.remedy for problem in report.problems}


def test_an_archive_that_was_not_extracted_is_named(tmp_path):
    root = make('coco', tmp_path)
    (root / 'train2017').rename(tmp_path / 'away')
    archive = root / 'train2017.zip'
    archive.touch()
    assert problems(prepare('coco', root)) == {
        'no train2017, but train2017.zip is there': (
            f'extract it: mkdir -p {root} && unzip -q {archive} -d {root}'
        )
    }


def test_an_archive_beside_the_root_is_found(tmp_path):
    root = make('voc', tmp_path)
    (root / 'VOC2007/ImageSets/Main/test.txt').unlink()
    archive = root.parent / 'VOCtest_06-Nov-2007.tar'
    archive.touch()
    ((text, remedy),) = problems(prepare('voc', root)).items()
    assert text == (
        'no VOC2007/ImageSets/Main/test.txt, but VOCtest_06-Nov-2007.tar is '
        'there'
    )
    # The archive holds VOCdevkit/VOC2007.
    assert remedy.endswith(f'tar -xf {archive} -C {root.parent}')


def test_a_folder_nested_in_itself_is_told(tmp_path):
    root = make('coco', tmp_path)
    for name in ('annotations', 'val2017'):
        (root / name).rename(tmp_path / 'away')
        (root / name).mkdir()
        (tmp_path / 'away').rename(root / name / name)
    file = 'annotations/instances_train2017.json'
    found = problems(prepare('coco', root))
    assert found[f'no {file}, but annotations/{file} is there'] == (
        f'if that is it, move it to {root / file}'
    )
    assert found['no val2017, but val2017/val2017 is there'] == (
        f'if that is it, move what is in it to {root / "val2017"}'
    )


def test_images_in_a_folder_of_their_own_are_found(tmp_path):
    root = make('coco', tmp_path)
    (root / 'images').mkdir()
    (root / 'val2017').rename(root / 'images/val2017')
    assert problems(prepare('coco', root)) == {
        'no val2017, but images/val2017 is there': (
            f'if that is it, move it to {root / "val2017"}'
        )
    }


def test_an_archive_extracted_into_a_folder_of_its_own_is_found(tmp_path):
    root = make('cocostuff164k', tmp_path)
    away = root / 'annotations/stuffthingmaps_trainval2017'
    away.mkdir()
    (root / 'annotations/val2017').rename(away / 'val2017')
    (text,) = problems(prepare('cocostuff164k', root))
    assert text == (
        'no annotations/val2017, but '
        'annotations/stuffthingmaps_trainval2017/val2017 is there'
    )


def test_parts_left_in_the_folder_of_their_archive_are_found(tmp_path):
    root = make('cityscapes', tmp_path)
    away = root / 'gtFine_trainvaltest'
    away.mkdir()
    (root / 'gtFine').rename(away / 'gtFine')
    for text, split in zip(
        problems(prepare('cityscapes', root)), ('train', 'val'), strict=True
    ):
        assert text == (
            f'no gtFine/{split}, but gtFine_trainvaltest/gtFine/{split} is '
            'there'
        )


def test_an_archive_in_the_root_is_extracted_where_it_belongs(tmp_path):
    root = make('cocostuff164k', tmp_path)
    (root / 'images/val2017').rename(tmp_path / 'away')
    archive = root / 'val2017.zip'
    archive.touch()
    (remedy,) = problems(prepare('cocostuff164k', root)).values()
    assert remedy.endswith(f'unzip -q {archive} -d {root}/images')


def test_an_empty_folder_is_a_problem(tmp_path):
    root = make('cityscapes', tmp_path)
    for image in (root / 'leftImg8bit/val').rglob('*.png'):
        image.unlink()
    (text,) = problems(prepare('cityscapes', root))
    assert text == 'no *_leftImg8bit.png in leftImg8bit/val'


def test_lines_that_become_no_file_name_are_named(tmp_path):
    root = make('voc', tmp_path)
    path = root / 'VOC2007/ImageSets/Main/trainval.txt'
    path.write_text('000005 \n000007\n\n')
    ((text, remedy),) = problems(prepare('voc', root)).items()
    assert "line 1 is '000005 ', line 3 is ''" in text
    assert remedy == 'mend the list'


def test_long_lists_of_names_are_cut(tmp_path):
    root = make('voc', tmp_path)
    names = [f'{number:06d}' for number in range(100, 100 + SHOWN + 7)]
    path = root / 'VOC2007/ImageSets/Main/test.txt'
    path.write_text(''.join(f'{name}\n' for name in names))
    images, annotations = problems(prepare('voc', root))
    assert images.startswith(f'{SHOWN + 7} images of VOC2007/test are missing')
    assert images.endswith(f'JPEGImages/{names[SHOWN - 1]}.jpg and 7 more')
    assert f'VOC2007/Annotations/{names[0]}.xml' in annotations
