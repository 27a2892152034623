"""Classes that contradict each other are errors."""

import pytest

from cankd_mm.utils.config_file import config_from_file
from tests.test_config.test_own_data.children import child

RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
CASCADE = 'mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py'


@pytest.mark.parametrize(
    'lines, message',
    [
        (
            ['model = dict(bbox_head=dict(num_classes=5))'],
            r'model\.bbox_head\.num_classes=5, but classes has 2 names',
        ),
        (
            [
                "metainfo = dict(classes=('a',))",
                'train_dataloader = dict(dataset=dict(metainfo=metainfo))',
            ],
            r"train_dataloader\.dataset\.metainfo\.classes=\('a',\), but",
        ),
        (['num_classes = 5'], 'num_classes=5, but classes has 2 names'),
    ],
)
def test_another_count_beside_them_is_an_error(lines, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        child(tmp_path, RETINANET, "classes = ('cat', 'dog')", *lines)


def test_head_of_a_list_is_named(tmp_path):
    lines = [
        "classes = ('cat', 'dog')",
        'model = _base_.model',
        'model.roi_head.bbox_head[1].num_classes = 5',
    ]
    with pytest.raises(
        ValueError, match=r'roi_head\.bbox_head\.1\.num_classes=5'
    ):
        child(tmp_path, CASCADE, *lines)


def test_head_of_a_distilled_student_is_named(tmp_path):
    (tmp_path / 'student.py').write_text(
        f'_base_ = {RETINANET!r}\n'
        'model = dict(bbox_head=dict(num_classes=5))\n'
    )
    file = tmp_path / 'pair.py'
    file.write_text(
        "_base_ = './student.py'\n"
        "classes = ('cat', 'dog')\n"
        'model = dict(_delete_=True, type="mmrazor.FrozenTeacherDistill", '
        'architecture=_base_.model)\n'
    )
    with pytest.raises(
        ValueError, match=r'model\.architecture\.bbox_head\.num_classes=5'
    ):
        config_from_file(file, 'pair')


def test_student_that_is_named_by_its_file_follows(tmp_path):
    file = tmp_path / 'pair.py'
    file.write_text(
        f'_base_ = {RETINANET!r}\n'
        "classes = ('cat', 'dog')\n"
        'model = dict(_delete_=True, type="mmrazor.FrozenTeacherDistill", '
        f'architecture=dict(cfg_path={RETINANET!r}), '
        f'teacher=dict(cfg_path={RETINANET!r}))\n'
    )
    cfg = config_from_file(file, 'pair')
    assert cfg.model.architecture.bbox_head.num_classes == 2
    # Nothing says that this teacher is trained on the two.
    assert 'num_classes' not in cfg.model.teacher


@pytest.mark.parametrize(
    'classes, message',
    [
        ("('one')", r"'one' is text.*classes=\('one',\), with a comma"),
        ('()', 'expected a sequence of names'),
        ("(('a', 'b'), 'c')", 'expected a sequence of names'),
        ("('a', 'a')", "has 'a' more than once"),
        ('3', 'classes=3, expected a sequence of names'),
    ],
)
def test_what_is_no_list_of_names_is_refused(classes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        child(tmp_path, RETINANET, f'classes = {classes}')


def test_classes_and_metainfo_in_mmdet_s_own_manner_are_kept(tmp_path):
    cfg = child(
        tmp_path,
        RETINANET,
        "classes = ('cat', 'dog')",
        'metainfo = dict(classes=classes, palette=[(1, 2, 3), (4, 5, 6)])',
        'train_dataloader = dict(dataset=dict(metainfo=metainfo))',
        'val_dataloader = dict(dataset=dict(metainfo=metainfo))',
        'test_dataloader = val_dataloader',
    )
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert loader.dataset.metainfo.palette == [(1, 2, 3), (4, 5, 6)]
    assert cfg.model.bbox_head.num_classes == 2


CAT = 'mmdet::grounding_dino/grounding_dino_swin-t_finetune_8xb2_20e_cat.py'


def test_classes_that_a_recipe_itself_names_follow(tmp_path):
    for cfg in (
        config_from_file(CAT, 'config', dict(classes=['cat', 'dog'])),
        child(tmp_path, CAT, "classes = ('cat', 'dog')"),
    ):
        metainfo = cfg.train_dataloader.dataset.metainfo
        assert tuple(metainfo.classes) == ('cat', 'dog')


def test_option_replaces_the_classes_that_a_file_names(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        f'_base_ = {RETINANET!r}\n'
        "metainfo = dict(classes=('cat',))\n"
        'train_dataloader = dict(dataset=dict(metainfo=metainfo))\n'
    )
    cfg = config_from_file(path, 'config', dict(classes=['cat', 'dog']))
    metainfo = cfg.train_dataloader.dataset.metainfo
    assert tuple(metainfo.classes) == ('cat', 'dog')


def test_names_in_a_file_are_read(tmp_path):
    file = tmp_path / 'names.txt'
    file.write_text('cat\nhot dog\n\n')
    cfg = child(tmp_path, RETINANET, f'classes = {str(file)!r}')
    metainfo = cfg.train_dataloader.dataset.metainfo
    assert tuple(metainfo.classes) == ('cat', 'hot dog')
    assert cfg.model.bbox_head.num_classes == 2


def test_config_of_another_library_is_left_alone(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("default_scope = 'mmpretrain'\nclasses = 'imagenet'\n")
    assert config_from_file(path, 'config').classes == 'imagenet'
