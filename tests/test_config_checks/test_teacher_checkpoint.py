"""The teacher's weights belong to its config."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from tests import tiny_models
from tests.commands import ROOT

COCO = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'
TEACHER = 'configs/digits/teacher_retinanet.py'


def save(path, model: dict) -> str:
    """Weights of a model, as a published checkpoint holds them."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        built = MODELS.build(copy.deepcopy(model))
    torch.save(dict(state_dict=built.state_dict(), meta={}), path)
    return str(path)


def digits_teacher(**head) -> dict:
    model = Config.fromfile(ROOT / TEACHER).model
    model.bbox_head.update(head)
    return model


def test_class_count_of_the_checkpoint_is_named(lint, tmp_path):
    weights = save(tmp_path / 'seven.pth', digits_teacher(num_classes=7))
    code, findings = lint('', '--teacher-ckpt', weights)
    assert code == 1
    assert findings[0].startswith(
        'error    model.teacher.bbox_head.num_classes: 10, but seven.pth has '
        '7 classes'
    )


def test_class_count_is_found_beside_background_and_per_class_boxes(
    lint, tmp_path
):
    # Faster R-CNN has C + 1 scores and 4 C box numbers, under 1 % of its
    # weights: loading them would be no error.
    detector = tiny_models.faster_rcnn(num_classes=3)
    weights = save(
        tmp_path / 'five.pth', tiny_models.faster_rcnn(num_classes=5)
    )
    pair = tiny_models.distillation(
        detector, detector, teacher_ckpt=weights, allow_random_teacher=False
    )
    pair.distiller.loss_forward_mappings.loss_distill.t_feature.data_idx = None
    _, findings = lint(
        f"default_scope = 'mmdet'\nmodel = {pair.to_dict()!r}", base=None
    )
    (finding,) = [f for f in findings if 'num_classes' in f]
    assert 'roi_head.bbox_head.num_classes: 3, but five.pth has 5' in finding


def test_weights_of_another_model(lint, tmp_path):
    weights = save(tmp_path / 'deep.pth', digits_teacher(stacked_convs=3))
    state = torch.load(weights)
    state['state_dict'] = {
        key: value
        for key, value in state['state_dict'].items()
        if 'layer3' not in key
    }
    torch.save(state, weights)
    _, findings = lint('', '--teacher-ckpt', weights)
    assert findings[0].startswith('error    model.teacher_ckpt: ')
    assert 'expected at least 99 %' in findings[0]
    assert findings[1].startswith('missing backbone.layer3')


def test_file_without_weights(lint, tmp_path):
    torch.save(dict(meta={}), tmp_path / 'empty.pth')
    _, (finding,) = lint('', '--teacher-ckpt', tmp_path / 'empty.pth')
    assert 'holds no weights' in finding


def test_teacher_that_is_not_trained_yet_is_no_fault(lint):
    body = "model = dict(teacher_ckpt='work_dirs/x/epoch_1.pth')"
    assert lint(body) == (0, [])
    code, (finding,) = lint(body, '--verbose')
    assert code == 0
    assert finding.startswith('info') and 'work_dirs/x/epoch_1.pth' in finding


@pytest.mark.parametrize('path', ['mine.pth', 'no/where.pth', 'no::x.pth'])
def test_file_that_nothing_will_write(lint, path):
    _, (finding,) = lint(f'model = dict(teacher_ckpt={path!r})')
    assert finding.startswith(f'error    model.teacher_ckpt: {path!r}: ')


def test_distillation_checkpoint_of_the_teacher_serves(lint, tmp_path):
    weights = save(tmp_path / 'pair.pth', digits_teacher())
    state = torch.load(weights)['state_dict']
    state = {f'architecture.{key}': value for key, value in state.items()}
    torch.save(dict(state_dict=state), weights)
    assert lint('', '--teacher-ckpt', weights) == (0, [])


# ------------------------------------------------------------------ addresses


def url(name: str) -> str:
    return f'https://example.org/{name}.pth'


def test_published_weights_of_another_depth(lint):
    _, (finding,) = lint(
        f'model = dict(teacher_ckpt={url("retinanet_r50_fpn_2x_coco_20200131-fdb43119")!r})',  # noqa: E501
        base=COCO,
    )
    assert finding.startswith('error    model.teacher_ckpt')
    assert 'published for retinanet_r50_fpn_2x_coco.py' in finding


def test_published_weights_beside_a_teacher_of_other_classes(lint):
    _, (finding,) = lint(
        'model = dict(teacher=dict(bbox_head=dict(num_classes=3)))', base=COCO
    )
    assert finding.startswith('error    model.teacher_ckpt')
    assert 'published for retinanet_r101_fpn_2x_coco.py' in finding


def test_published_weights_of_another_schedule_fit(lint):
    name = 'retinanet_r101_fpn_1x_coco_20200130-7a93545f'
    body = f'model = dict(teacher_ckpt={url(name)!r})'
    assert lint(body, base=COCO) == (0, [])


@pytest.mark.parametrize(
    'name, what',
    [
        ('my_retinanet_r50_coco', 'backbone r50; expected r101'),
        ('my_retinanet_x101_coco', 'backbone x101; expected r101'),
        ('my_retinanet_r101_voc0712', 'data set voc0712; expected coco'),
    ],
)
def test_name_that_contradicts_the_config(lint, name, what):
    _, (finding, unchecked) = lint(
        f'model = dict(teacher_ckpt={url(name)!r})', base=COCO
    )
    assert (
        finding.startswith('warning  model.teacher_ckpt') and what in finding
    )
    assert unchecked.startswith('not checked model.teacher_ckpt')


@pytest.mark.parametrize('name', ['epoch_24', 'retinanet_r101', 'best_coco'])
def test_name_that_says_nothing_else_is_no_fault(lint, name):
    body = f'model = dict(teacher_ckpt={url(name)!r})'
    code, (unchecked,) = lint(body, base=COCO)
    assert code == 0
    assert unchecked.startswith('not checked model.teacher_ckpt')


def test_address_is_looked_at_in_the_cache_alone(lint, tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError('a download')

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', no_network)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    body = f'model = dict(teacher_ckpt={url("mine")!r})'
    code, (unchecked,) = lint(body)
    assert code == 0
    assert unchecked.startswith('not checked model.teacher_ckpt')
    (tmp_path / 'checkpoints').mkdir()
    save(tmp_path / 'checkpoints' / 'mine.pth', digits_teacher(num_classes=7))
    _, findings = lint(body)
    assert 'mine.pth has 7 classes' in findings[0]


# ----------------------------------------------------------------- no weights


def test_no_weights(lint):
    _, (finding,) = lint('model = dict(teacher_ckpt=None)')
    assert finding.startswith('error    model.teacher_ckpt=None')
    assert 'model.allow_random_teacher=True' in finding


def test_random_teacher_that_is_asked_for_is_no_fault(lint):
    body = 'model = dict(teacher_ckpt=None, allow_random_teacher=True)'
    assert lint(body) == (0, [])


def test_no_weights_under_mmrazors_algorithm(lint):
    code, (finding,) = lint(
        "model = dict(type='mmrazor.FpnTeacherDistill', teacher_ckpt=None)"
    )
    assert finding.startswith('warning  model.teacher_ckpt=None')
