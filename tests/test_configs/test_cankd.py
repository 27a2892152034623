"""Every COCO config of CanKD builds, trains a step and predicts offline."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from tests import tiny_models
from tests.commands import ROOT

CONFIGS = sorted((ROOT / 'configs' / 'cankd').glob('*.py'))
PLAIN = [path for path in CONFIGS if 'inherit' not in path.stem]
INHERITING = [path for path in CONFIGS if 'inherit' in path.stem]


def name(path: Path) -> str:
    return path.stem


def build(path: Path):
    """The model of a config, with random weights and nothing downloaded."""
    model = Config.fromfile(path).model
    assert model.teacher_ckpt.startswith('https://')
    model.update(teacher_ckpt=None, allow_random_teacher=True)
    model.dry_run_size = (128, 128)
    model.architecture.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmdet'):
        built = MODELS.build(model)
    built.init_weights()
    return built.train()


@pytest.mark.parametrize('path', PLAIN, ids=name)
def test_trains_a_step_and_predicts(path):
    model = build(path)
    batch = tiny_models.detection_batch(num_classes=80, size=128)
    data = model.data_preprocessor(batch, True)
    total, logged = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    assert total.isfinite() and logged['distill.loss_cankd'] > 0
    for parameter in model.distiller.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()
    with torch.no_grad():
        samples = model.eval()(**data, mode='predict')
    assert all('pred_instances' in sample for sample in samples)


@pytest.mark.parametrize('path', INHERITING, ids=name)
def test_inheriting_student_starts_with_the_teachers_modules(path):
    model = build(path)
    modules = Config.fromfile(path).model.inherit
    assert 'neck' in modules
    for module in modules:
        ours = model.student.get_submodule(module).state_dict()
        theirs = model.teacher.get_submodule(module).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_schedule_is_the_one_in_the_name(path):
    cfg = Config.fromfile(path)
    assert '_2x_' in path.stem and cfg.train_cfg.max_epochs == 24
    assert cfg.param_scheduler[-1].milestones == [16, 22]
    assert cfg.param_scheduler[-1].end == 24
    assert cfg.auto_scale_lr.base_batch_size == 16
    assert cfg.optim_wrapper.clip_grad.max_norm == 35
    assert dict(type='StudentCheckpointHook') in cfg.custom_hooks
