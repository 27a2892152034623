"""What a training command line says changes that and nothing else."""

import pytest
from mmengine.config import Config

from cankd_mm.engine import training
from cankd_mm.engine.training import TrainingOptions, training_runner
from tests.commands import ROOT


@pytest.mark.parametrize(
    'options, expected',
    [
        (dict(), dict(seed=1, deterministic=True)),
        (dict(seed=3), dict(seed=3, deterministic=True)),
        (dict(seed=0), dict(seed=0, deterministic=True)),
    ],
)
def test_seed_leaves_the_rest_of_the_configs_randomness(
    options, expected, monkeypatch
):
    monkeypatch.setattr(training, 'build_runner', lambda cfg: None)
    cfg = Config(dict(model={}, randomness=dict(seed=1, deterministic=True)))
    training_runner(cfg, TrainingOptions(**options))
    assert cfg.randomness == expected


def test_determinism_leaves_the_seed(monkeypatch):
    monkeypatch.setattr(training, 'build_runner', lambda cfg: None)
    cfg = Config(dict(model={}, randomness=dict(seed=1)))
    training_runner(cfg, TrainingOptions(deterministic=True))
    assert cfg.randomness == dict(seed=1, deterministic=True)


@pytest.mark.parametrize(
    'config', ['lakd_retinanet', 'cankd_retinanet', 'cskd_segformer']
)
def test_every_algorithm_of_ours_takes_a_students_checkpoint(
    config, monkeypatch, tmp_path
):
    monkeypatch.setattr(training, 'build_runner', lambda cfg: None)
    path = tmp_path / 'student.pth'
    path.touch()
    cfg = Config.fromfile(ROOT / 'configs' / 'digits' / f'{config}.py')
    training_runner(cfg, TrainingOptions(student_ckpt=str(path)))
    assert cfg.model.student_ckpt == str(path)


def test_mmrazors_algorithms_take_none(tmp_path):
    path = tmp_path / 'student.pth'
    path.touch()
    model = dict(type='mmrazor.SingleTeacherDistill', architecture={})
    with pytest.raises(ValueError, match='student-ckpt.*FrozenTeacherDistill'):
        training_runner(
            Config(dict(model=model)), TrainingOptions(student_ckpt=str(path))
        )
