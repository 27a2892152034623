"""Two lines make a config of the zoo train on another data set."""

import pytest
from mmengine.config import Config

from cankd_mm.config.own_data import apply_dataset_overrides
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.distillation_config import plain_student_config
from cankd_mm.utils.model_config import model_config_from_file
from tests.commands import ROOT
from tests.test_config.test_own_data.children import child
from tests.test_configs import zoo

CONFIGS = ROOT / 'configs'
VOC_PAIR = 'lakd/lakd_retinanet-r101_retinanet-r50_1x_voc0712.py'
COCO_PAIR = 'cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'
CSKD_PAIR = 'cskd/cskd_retinanet-r101_retinanet-swin-t_1x_voc0712.py'
SEGMENTATION = 'baselines/pspnet-r18_80k_coco-stuff164k.py'
CLASSES = ('RBC', 'WBC', 'Platelets')


def followed(cfg: Config) -> Config:
    apply_dataset_overrides(cfg)
    return cfg


def data_sets(cfg: Config) -> list:
    return [
        part
        for split in ('train', 'val', 'test')
        for part in zoo.dicts(cfg[f'{split}_dataloader'])
        if 'pipeline' in part
    ]


def class_counts(config) -> set[int]:
    return {
        part['num_classes']
        for part in zoo.dicts(config)
        if 'num_classes' in part
    }


def voc_folder(root, *splits: str):
    lists = root / 'ImageSets' / 'Main'
    lists.mkdir(parents=True)
    for split in splits:
        (lists / f'{split}.txt').touch()
    return root


@pytest.mark.parametrize('path', zoo.configs(), ids=zoo.name)
def test_config_of_the_zoo_agrees_already(path):
    before = zoo.read(path).to_dict()
    assert followed(zoo.read(path)).to_dict() == before


def test_two_lines_name_another_voc_folder(tmp_path):
    root = voc_folder(tmp_path / 'cells', 'trainval', 'test')
    cfg = child(
        tmp_path,
        CONFIGS / VOC_PAIR,
        f'data_root = {str(root)!r}',
        f'classes = {CLASSES}',
    )
    (train,) = cfg.train_dataloader.dataset.dataset.datasets
    assert train.ann_file == 'ImageSets/Main/trainval.txt'
    assert cfg.val_dataloader.dataset.ann_file == 'ImageSets/Main/test.txt'
    for data in data_sets(cfg):
        assert data.data_root == str(root)
        assert data.data_prefix.sub_data_root == ''
        assert tuple(data.metainfo.classes) == CLASSES
    assert class_counts(cfg.model) == {3}
    # The teacher is written for the same data set and has to be trained on
    # the other as well.
    teacher, _ = model_config_from_file(cfg.model.teacher, 'teacher')
    assert class_counts(teacher) == {3}
    assert class_counts(plain_student_config(cfg).model) == {3}


def test_another_pipeline_for_the_first_year_leaves_one_folder(tmp_path):
    cfg = Config.fromfile(CONFIGS / VOC_PAIR)
    root = voc_folder(tmp_path / 'cells', 'trainval', 'test')
    cfg.merge_from_dict(
        {
            'data_root': str(root),
            'classes': CLASSES,
            'train_dataloader.dataset.dataset.datasets.0.pipeline.2.scale': (
                320,
                240,
            ),
        }
    )
    (train,) = followed(cfg).train_dataloader.dataset.dataset.datasets
    assert train.pipeline[2].scale == (320, 240)


def test_folder_without_a_test_split_is_tested_on_val(tmp_path):
    root = voc_folder(tmp_path / 'cells', 'train', 'val')
    cfg = child(
        tmp_path,
        CONFIGS / VOC_PAIR,
        f'data_root = {str(root)!r}',
        f'classes = {CLASSES}',
    )
    (train,) = cfg.train_dataloader.dataset.dataset.datasets
    assert train.ann_file == 'ImageSets/Main/train.txt'
    assert cfg.val_dataloader.dataset.ann_file == 'ImageSets/Main/val.txt'


def test_split_that_is_set_already_is_kept(tmp_path):
    root = voc_folder(tmp_path / 'cells', 'train', 'val')
    cfg = child(
        tmp_path,
        CONFIGS / VOC_PAIR,
        f'data_root = {str(root)!r}',
        "val_dataloader = dict(dataset=dict(ann_file='x/train.txt'))",
    )
    assert cfg.val_dataloader.dataset.ann_file == 'ImageSets/Main/train.txt'


@pytest.mark.parametrize(
    'path, expected',
    [
        ('data/VOC/a.json', 'data/cells/a.json'),
        ('data/VOCdevkit/a.json', 'data/VOCdevkit/a.json'),
        ('bbox', 'bbox'),
    ],
)
def test_path_of_an_evaluator_follows_only_its_folder(path, expected):
    cfg = Config(
        dict(
            data_root='data/cells',
            model={},
            val_dataloader=dict(
                dataset=dict(type='X', data_root='data/VOC', pipeline=[])
            ),
            val_evaluator=dict(type='CocoMetric', ann_file=path),
        )
    )
    assert followed(cfg).val_evaluator.ann_file == expected
    assert cfg.val_dataloader.dataset.data_root == 'data/cells'


def test_devkit_that_lies_elsewhere_keeps_its_years(tmp_path):
    cfg = child(tmp_path, CONFIGS / VOC_PAIR, f'data_root = {str(tmp_path)!r}')
    first, second = cfg.train_dataloader.dataset.dataset.datasets
    assert first.data_root == second.data_root == str(tmp_path)
    assert second.ann_file == 'VOC2012/ImageSets/Main/trainval.txt'
    assert class_counts(cfg.model) == {20}
    assert cfg.model.teacher.num_classes == 20


def test_annotations_of_the_evaluator_follow_and_a_coco_teacher_stays(
    tmp_path,
):
    cfg = child(
        tmp_path,
        CONFIGS / COCO_PAIR,
        "data_root = 'data/cells'",
        f'classes = {CLASSES}',
    )
    assert cfg.val_evaluator.ann_file == (
        'data/cells/annotations/instances_val2017.json'
    )
    assert class_counts(cfg.model.architecture) == {3}
    teacher, _ = model_config_from_file(cfg.model.teacher, 'teacher')
    assert class_counts(teacher) == {80}


def test_distiller_follows_too(tmp_path):
    cfg = child(tmp_path, CONFIGS / CSKD_PAIR, f'classes = {CLASSES}')
    assert class_counts(cfg.model.distiller) == {3}


def test_command_line_says_the_same():
    cfg = Config.fromfile(CONFIGS / COCO_PAIR)
    cfg.merge_from_dict(dict(data_root='data/cells', classes=list(CLASSES)))
    apply_dataset_overrides(cfg)
    assert cfg.num_classes == 3
    assert {data.data_root for data in data_sets(cfg)} == {'data/cells'}


def test_child_of_the_two_lines_has_them_too(tmp_path):
    child(
        tmp_path,
        CONFIGS / COCO_PAIR,
        "data_root = 'data/cells'",
        f'classes = {CLASSES}',
    )
    grandchild = tmp_path / 'grandchild.py'
    grandchild.write_text(
        "_base_ = './child.py'\noptim_wrapper = dict(optimizer=dict(lr=1.0))"
    )
    cfg = config_from_file(grandchild, 'grandchild')
    assert class_counts(cfg.model.architecture) == {3}
    before = cfg.to_dict()
    assert followed(cfg).to_dict() == before


def test_child_leaves_what_its_base_names_beside_its_root(tmp_path):
    base = tmp_path / 'base.py'
    base.write_text(
        "_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'\n"
        "data_root = 'photos/'\n"
        "val_dataloader = dict(dataset=dict(data_root='others/'))\n"
    )
    cfg = child(tmp_path, 'base.py', 'a = 1')
    assert cfg.val_dataloader.dataset.data_root == 'others/'
    assert cfg.train_dataloader.dataset.dataset.data_root == 'photos/'


def test_path_that_is_written_at_the_data_set_is_left(tmp_path):
    cfg = child(
        tmp_path,
        CONFIGS / COCO_PAIR,
        "train_dataloader = dict(dataset=dict(data_root='mine/'))",
    )
    assert cfg.train_dataloader.dataset.data_root == 'mine/'


def test_labels_of_a_segmentation_set_are_used_as_they_are(tmp_path):
    cfg = child(tmp_path, CONFIGS / SEGMENTATION, f'classes = {CLASSES}')
    for data in data_sets(cfg):
        assert data.type == 'BaseSegDataset'
        assert data.seg_map_suffix == '_labelTrainIds.png'
        assert tuple(data.metainfo.classes) == CLASSES
    assert class_counts(cfg.model) == {3}


@pytest.mark.parametrize(
    'lines, message',
    [
        (['num_classes = 3'], 'num_classes=3, but the data sets .* have 80'),
        (["classes = 'cell'"], "classes='cell' is text, expected a sequence"),
        (["classes = 'cell'"], 'on the command line: classes=cell,$'),
        (
            ["classes = ('cell',)", 'num_classes = 2'],
            'num_classes=2, but classes has 1 names',
        ),
    ],
)
def test_names_that_disagree_are_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        child(tmp_path, CONFIGS / COCO_PAIR, *lines)
