from pathlib import Path

import pytest

from cankd_mm.config.run_keys import without_helper_variables
from cankd_mm.config_checks.published_weights import published_weights
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.pair import PairRequest, make_pair
from cankd_mm.utils.config_file import config_from_file
from tests.commands import ROOT
from tests.test_pairing.models import (
    BISENET,
    DEEPLABV3PLUS,
    RETINANET,
    RETINANET_R101,
    SSD,
)

ZOO = ROOT / 'configs'


def made(folder: Path, *request, **options):
    pair = make_pair(PairRequest(*request, folder=folder, **options))
    path = folder / 'pair.py'
    path.write_text(pair.text)
    return config_from_file(path, 'config')


def as_dict(cfg):
    return without_helper_variables(cfg)._cfg_dict.to_dict()


def without_recorder_names(model):
    """The distiller with every record in the place of its recorder's name."""
    distiller = model['distiller']
    for arguments in distiller['loss_forward_mappings'].values():
        for link in arguments.values():
            role = 'student' if link['from_student'] else 'teacher'
            recorders = distiller[f'{role}_recorders']
            link['recorder'] = recorders[link['recorder']]
    for role in ('student', 'teacher'):
        distiller.pop(f'{role}_recorders')
    return model


def test_equals_the_pair_of_the_zoo(tmp_path):
    found = made(
        tmp_path,
        str(ZOO / 'baselines/retinanet-r50_2x_coco.py'),
        RETINANET_R101,
        'cankd',
    )
    name = 'cankd_retinanet-r101_retinanet-r50_2x_coco.py'
    zoo = config_from_file(ZOO / 'cankd' / name, 'config')
    assert as_dict(found) == as_dict(zoo)


@pytest.mark.parametrize(
    'student, teacher, method, zoo, renamed',
    [
        (
            'retinanet-r50_2x_coco.py',
            RETINANET_R101,
            'tat',
            'tat_retinanet-r101_retinanet-r50_2x_coco.py',
            {},
        ),
        (
            'retinanet-r18_2x_coco.py',
            RETINANET_R101,
            'lakd',
            'lakd_retinanet-r101_retinanet-r18_2x_coco.py',
            {f'loss_lakd_{i}': f'loss_lakd_{i - 1}' for i in (2, 3, 4)},
        ),
        (
            'retinanet-swin-t_1x_coco.py',
            RETINANET_R101,
            'cskd',
            'cskd_retinanet-r101_retinanet-swin-t_1x_coco.py',
            {},
        ),
    ],
)
def test_compares_what_the_zoo_compares(
    tmp_path, student, teacher, method, zoo, renamed
):
    found = made(tmp_path, str(ZOO / 'baselines' / student), teacher, method)
    other = config_from_file(ZOO / method / zoo, 'config')
    ours, theirs = (
        without_recorder_names(as_dict(cfg)['model']) for cfg in (found, other)
    )
    for part in ('distill_losses', 'loss_forward_mappings'):
        theirs['distiller'][part] = {
            renamed.get(name, name): value
            for name, value in theirs['distiller'][part].items()
        }
    for mapping in theirs['distiller']['loss_forward_mappings'].values():
        for link in mapping.values():
            # The last of three maps.
            if link.get('data_idx') == -1:
                link['data_idx'] = 2
    assert ours['distiller'] == theirs['distiller']
    assert ours.get('truncations') == theirs.get('truncations')


def test_data_and_classes_reach_data_sets_and_heads(tmp_path):
    found = made(
        tmp_path,
        RETINANET,
        RETINANET_R101,
        'cankd',
        data_root='photos/',
        classes=('cat', 'dog'),
    )
    assert found.model.architecture.bbox_head.num_classes == 2
    data = found.train_dataloader.dataset
    assert data.data_root == 'photos/'
    assert tuple(data.metainfo.classes) == ('cat', 'dog')


def test_other_classes_keep_cskd_from_the_teacher(tmp_path):
    with pytest.raises(PairingError, match='has 2 and the teacher 80'):
        made(
            tmp_path,
            RETINANET,
            RETINANET_R101,
            'cskd',
            classes=('cat', 'dog'),
        )


def test_a_recipe_of_one_size_is_tried_at_that_size(tmp_path):
    segmentor = made(tmp_path, BISENET, DEEPLABV3PLUS, 'cankd')
    assert segmentor.model.dry_run_size == (512, 512)
    detector = made(tmp_path, SSD, RETINANET, 'cankd')
    assert detector.model.dry_run_size == (300, 300)
    pyramid = made(tmp_path, RETINANET, RETINANET_R101, 'cankd')
    assert 'dry_run_size' not in pyramid.model


@pytest.mark.parametrize('imports', ['mmdet.models', ['mmdet.models']])
def test_a_student_with_imports_keeps_them(tmp_path, imports):
    student = tmp_path / 'student.py'
    student.write_text(
        f"_base_ = '{RETINANET}'\ncustom_imports = dict(imports={imports!r})\n"
    )
    found = made(tmp_path, str(student), RETINANET_R101, 'cankd')
    assert found.custom_imports.imports == ['mmdet.models', 'cankd_mm']
    # Its base is named from where the config is.
    assert "_base_ = ['student.py'," in (tmp_path / 'pair.py').read_text()


def test_weights_are_those_of_the_metafile():
    weights = published_weights(RETINANET_R101)
    assert weights.endswith('retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth')
    assert published_weights('configs/teachers/dino-r101_1x_coco.py') is None


@pytest.mark.parametrize(
    'student, reason',
    [
        (
            str(ZOO / 'digits/cankd_retinanet.py'),
            'is a distillation already',
        ),
        (
            'mmdet::_base_/schedules/schedule_1x.py',
            'defines no `model`',
        ),
    ],
)
def test_a_student_that_is_no_plain_model_is_refused(student, reason):
    with pytest.raises(ValueError, match=reason):
        make_pair(PairRequest(student, RETINANET_R101, 'cankd'))


def test_python_style_configs_are_refused_with_the_remedy(tmp_path):
    student = tmp_path / 'student.py'
    student.write_text(
        'from mmengine.config import read_base\n'
        'with read_base():\n'
        '    from mmdet.configs.retinanet.retinanet_r50_fpn_1x_coco import *\n'
    )
    with pytest.raises(PairingError, match='print_config.py .* --out'):
        make_pair(PairRequest(str(student), RETINANET_R101, 'cankd'))


def test_the_teacher_of_a_distillation_is_its_student():
    zoo = str(ZOO / 'digits/cankd_retinanet.py')
    plain = str(ZOO / 'digits/baseline_retinanet.py')
    pair = make_pair(PairRequest(plain, zoo, 'cankd', teacher_ckpt='a.pth'))
    assert "teacher_ckpt='a.pth'" in pair.text
