"""A run does not go on from the weights of another model."""

import pytest
import torch

from cankd_mm.engine.hooks.resumed_weights_hook import check_resumed_weights
from tests.toy_distillation import Distillation, Student, toy_runner


def _runner(folder, model, epochs: int, **kwargs):
    return toy_runner(
        folder,
        model,
        dict(by_epoch=True, max_epochs=epochs),
        dict(interval=1),
        **kwargs,
    )


@pytest.fixture
def checkpoint(tmp_path):
    _runner(tmp_path / 'first', Distillation(), 1).train()
    return tmp_path / 'first' / 'epoch_1.pth'


def _resume(folder, path, model):
    runner = _runner(folder, model, 2, resume=True, load_from=str(path))
    check_resumed_weights(runner)
    runner.train()


def test_own_weights_are_resumed(checkpoint, tmp_path):
    _resume(tmp_path / 'run', checkpoint, Distillation())
    assert (tmp_path / 'run' / 'epoch_2.pth').exists()


@pytest.mark.parametrize('kind', ['names', 'shapes', 'none', 'plain'])
def test_other_weights_are_refused(kind, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=False)
    state = content['state_dict']
    model = Distillation()
    if kind == 'names':
        content['state_dict'] = {f'z.{k}': v for k, v in state.items()}
    elif kind == 'shapes':
        content['state_dict'] = {k: v[None] for k, v in state.items()}
    elif kind == 'none':
        content['state_dict'] = {}
    else:
        model = Student()
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match=r'--resume=.*epoch_1\.pth.*0 of'):
        _resume(tmp_path / 'run', checkpoint, model)
    assert not list((tmp_path / 'run').glob('*.pth'))
