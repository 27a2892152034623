"""Models are found by file and by package, with overrides."""

import pytest

from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.model_config import build_model, model_config_from_file
from tests import tiny_models

PACKAGED = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'


def test_overrides_are_merged_over_the_files_model():
    model, scope = model_config_from_file(
        dict(
            cfg_path=PACKAGED,
            backbone=dict(depth=18, init_cfg=None),
            bbox_head=dict(num_classes=3),
        ),
        'model.teacher',
    )
    assert scope == 'mmdet'
    assert model.backbone.depth == 18 and model.backbone.init_cfg is None
    assert model.bbox_head.num_classes == 3
    assert model.bbox_head.in_channels == 256


def test_number_of_classes_is_that_of_every_head():
    model, _ = model_config_from_file(
        dict(
            cfg_path='mmdet::cascade_rcnn/'
            'cascade-mask-rcnn_r50_fpn_1x_coco.py',
            num_classes=3,
        ),
        'model.teacher',
    )
    heads = [*model.roi_head.bbox_head, model.roi_head.mask_head]
    assert [head.num_classes for head in heads] == [3] * 4


def test_hub_flag_is_not_taken_for_a_key_of_the_model():
    model, _ = model_config_from_file(
        dict(cfg_path=PACKAGED, pretrained=False), 'model'
    )
    assert 'pretrained' not in model


def test_config_of_a_distillation_stands_for_its_student(tmp_path):
    student = tiny_models.retinanet()
    file = tmp_path / 'distillation.py'
    file.write_text(
        "default_scope = 'mmdet'\n"
        f'model = dict(architecture={student.to_dict()!r})\n'
    )
    model, _ = model_config_from_file(dict(cfg_path=str(file)), 'model')
    assert model == student


def test_file_without_a_model_is_an_error(tmp_path):
    file = tmp_path / 'data.py'
    file.write_text('data_root = "data"\n')
    with pytest.raises(ValueError, match='defines no `model`'):
        model_config_from_file(dict(cfg_path=str(file)), 'model.teacher')


@pytest.mark.parametrize('path', ['nowhere.py', 'mmdet::nowhere.py'])
def test_unknown_file_is_an_error_that_names_key_and_file(path):
    with pytest.raises(FileNotFoundError, match='model.teacher.cfg_path'):
        resolve_path(path, 'model.teacher.cfg_path')


def test_unknown_package_is_an_error_that_names_it():
    with pytest.raises(FileNotFoundError, match="no package 'mmnothing'"):
        resolve_path('mmnothing::a.py', 'key')


def test_addresses_are_left_alone():
    assert resolve_path('https://host/a.pth', 'key') == 'https://host/a.pth'


def test_unregistered_type_hints_at_its_scope():
    with pytest.raises(ValueError, match="_scope_='mmdet'"):
        build_model(dict(type='NoSuchDetector'), 'model.architecture')


def test_other_things_than_models_are_refused():
    with pytest.raises(TypeError, match='model.teacher must be a dict'):
        build_model('mmdet::a.py', 'model.teacher')
    with pytest.raises(TypeError, match='must build a model'):
        build_model(
            dict(
                type='mmdet.FPN', in_channels=[8], out_channels=8, num_outs=1
            ),
            'model.teacher',
        )
