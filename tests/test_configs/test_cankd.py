"""What CanKD's configs promise beyond what every config does."""

import pytest
import torch
from mmengine.hub import get_config

from tests.commands import ROOT
from tests.test_configs import zoo

CONFIGS = zoo.configs('cankd')
INHERITING = [path for path in CONFIGS if 'inherit' in path.stem]
# Segmentors train for thousands of iterations, detectors for epochs.
SEGMENTORS = [path for path in CONFIGS if '0k_' in path.stem]
DETECTORS = [path for path in CONFIGS if path not in SEGMENTORS]
# Module of a backbone's last stage, and its channels.
LAST_STAGES = dict(
    r101=('backbone.layer4', 2048),
    r18=('backbone.layer4', 512),
    mobilenetv2=('backbone.layer7', 320),
    b2=('backbone', 512),
    b0=('backbone', 256),
)


@pytest.mark.parametrize('path', INHERITING, ids=zoo.name)
def test_inheriting_student_starts_with_the_teachers_modules(path):
    model = zoo.build(path)
    modules = zoo.read(path).model.inherit
    assert 'neck' in modules
    for module in modules:
        ours = model.student.get_submodule(module).state_dict()
        theirs = model.teacher.get_submodule(module).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize('path', DETECTORS, ids=zoo.name)
def test_schedule_is_the_published_one(path):
    cfg = zoo.read(path)
    assert cfg.train_cfg.max_epochs == 24
    assert cfg.param_scheduler[-1].milestones == [16, 22]
    assert cfg.optim_wrapper.clip_grad.max_norm == 35


@pytest.mark.parametrize('path', SEGMENTORS, ids=zoo.name)
def test_mu_is_10_from_pspnet_to_deeplabv3_and_5_otherwise(path):
    loss = zoo.read(path).model.distiller.distill_losses.loss_cankd
    crossed = 'pspnet-r101_deeplabv3-r18' in path.stem
    assert loss.loss_weight == (10 if crossed else 5)


@pytest.mark.parametrize('path', SEGMENTORS, ids=zoo.name)
def test_last_stage_is_brought_to_the_teachers_by_a_learnable_1x1(path):
    _, teacher, student, _, _ = path.stem.split('_')
    s_source, s_channels = LAST_STAGES[student.split('-')[1]]
    t_source, t_channels = LAST_STAGES[teacher.split('-')[1]]
    distiller = zoo.read(path).model.distiller
    (s_recorder,) = distiller.student_recorders.values()
    (t_recorder,) = distiller.teacher_recorders.values()
    assert (s_recorder.source, t_recorder.source) == (s_source, t_source)

    (connector,) = zoo.build(path).distiller.connectors.values()
    (conv,) = connector.convs
    assert conv.weight.shape == (t_channels, s_channels, 1, 1)
    assert conv.weight.requires_grad and conv.bias.requires_grad
    # Neither a norm nor an activation.
    feature = torch.randn(2, s_channels, 8, 8)
    assert torch.equal(connector(feature), conv(feature))


@pytest.mark.parametrize(
    'student, theirs',
    [
        ('pspnet-r18', 'pspnet/pspnet_r18-d8'),
        ('deeplabv3-r18', 'deeplabv3/deeplabv3_r18-d8'),
        ('deeplabv3-mobilenetv2', 'mobilenet_v2/mobilenet-v2-d8_deeplabv3'),
    ],
)
def test_cityscapes_students_train_as_mmsegmentations(student, theirs):
    theirs = get_config(
        f'mmseg::{theirs}_4xb2-80k_cityscapes-512x1024.py'
    ).to_dict()
    ours = zoo.read(ROOT / f'configs/baselines/{student}_80k_cityscapes.py')
    ours = ours.to_dict()
    for part in zoo.dicts(ours):
        part.pop('_scope_', None)
    for key in theirs:
        assert ours[key] == theirs[key], key
