"""What a training command line says changes that and nothing else."""

import pytest
from mmengine.config import Config

from cankd_mm.engine import training
from cankd_mm.engine.runner.resume import NothingToResumeError
from cankd_mm.engine.training import TrainingOptions, training_runner
from tests.commands import ROOT


@pytest.fixture
def unbuilt(monkeypatch):
    """Ends where the runner would be built, which takes seconds."""
    monkeypatch.setattr(training, 'build_runner', lambda cfg: None)
    monkeypatch.setattr(training, 'check_training_data', lambda runner: None)
    monkeypatch.setattr(training, 'guard_losses', lambda runner: None)
    monkeypatch.setattr(
        training, 'scale_by_accumulated_images', lambda runner: None
    )
    monkeypatch.setattr(training, 'check_resumed_weights', lambda runner: None)


@pytest.mark.parametrize(
    'options, expected',
    [
        (dict(), dict(seed=1, deterministic=True)),
        (dict(seed=3), dict(seed=3, deterministic=True)),
        (dict(seed=0), dict(seed=0, deterministic=True)),
    ],
)
def test_seed_leaves_the_rest_of_the_configs_randomness(
    options, expected, unbuilt
):
    cfg = Config(dict(model={}, randomness=dict(seed=1, deterministic=True)))
    training_runner(cfg, TrainingOptions(**options))
    assert cfg.randomness == expected


def test_determinism_leaves_the_seed(unbuilt):
    cfg = Config(dict(model={}, randomness=dict(seed=1)))
    training_runner(cfg, TrainingOptions(deterministic=True))
    assert cfg.randomness == dict(seed=1, deterministic=True)


@pytest.mark.parametrize(
    'config', ['lakd_retinanet', 'cankd_retinanet', 'cskd_segformer']
)
def test_every_algorithm_of_ours_takes_a_students_checkpoint(
    config, unbuilt, tmp_path
):
    path = tmp_path / 'student.pth'
    path.touch()
    cfg = Config.fromfile(ROOT / 'configs' / 'digits' / f'{config}.py')
    training_runner(cfg, TrainingOptions(student_ckpt=str(path), check=False))
    assert cfg.model.student_ckpt == str(path)


def test_mmrazors_algorithms_take_none(tmp_path):
    path = tmp_path / 'student.pth'
    path.touch()
    model = dict(type='mmrazor.SingleTeacherDistill', architecture={})
    with pytest.raises(ValueError, match='student-ckpt.*FrozenTeacherDistill'):
        training_runner(
            Config(dict(model=model)), TrainingOptions(student_ckpt=str(path))
        )


def test_what_happened_before_there_was_a_log_is_logged(unbuilt, logged):
    note = (30, 'work dir taken over')
    training_runner(Config(dict(model={})), TrainingOptions(), [note])
    assert 'work dir taken over' in logged


def test_only_the_first_process_looks_for_a_checkpoint(
    unbuilt, tmp_path, monkeypatch
):
    agreed = []
    monkeypatch.setattr(training, 'agree_on_resume', agreed.append)
    monkeypatch.setenv('RANK', '1')
    options = TrainingOptions(resume='newest', check=False)
    cfg = dict(model={}, work_dir=str(tmp_path), launcher='pytorch')
    training_runner(Config(cfg), options)
    assert len(agreed) == 1
    monkeypatch.setenv('RANK', '0')
    with pytest.raises(NothingToResumeError):
        training_runner(Config(cfg), options)
