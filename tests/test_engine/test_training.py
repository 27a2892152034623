"""What a training command line says changes that and nothing else."""

import pytest
from mmengine.config import Config

from cankd_mm.engine import training
from cankd_mm.engine.training import TrainingOptions, training_runner


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
