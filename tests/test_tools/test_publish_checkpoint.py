import pytest
import torch

from tests.commands import run_tool
from tests.forked_tools import fork_tool, fork_tool_unchecked


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('run') / 'epoch_1.pth'
    torch.manual_seed(0)
    state = dict(weight=torch.rand(3, 2), steps=torch.tensor(2**20 + 1))
    meta = dict(dataset_meta=dict(classes=('a', 'b')), cfg='x' * 1000)
    torch.save(
        dict(state_dict=state, meta=meta, optimizer=dict(state={})), path
    )
    return path, state


@pytest.mark.parametrize(
    'options, dtype', [([], torch.float32), (['--half'], torch.float16)]
)
def test_keeps_the_weights_and_the_classes_alone(
    checkpoint, options, dtype, tmp_path
):
    path, state = checkpoint
    out = tmp_path / 'small.pth'
    fork_tool('publish_checkpoint.py', path, out, *options)
    published = torch.load(out, weights_only=True)
    assert set(published) == {'state_dict', 'meta'}
    assert published['meta'] == dict(dataset_meta=dict(classes=('a', 'b')))
    weights = published['state_dict']
    assert torch.equal(weights['weight'], state['weight'].to(dtype))
    # Counters would overflow in half precision.
    assert torch.equal(weights['steps'], state['steps'])


def test_overwrites_a_file_on_request_alone(checkpoint, tmp_path):
    path, state = checkpoint
    out = tmp_path / 'small.pth'
    out.write_text('precious')
    code, output = fork_tool_unchecked('publish_checkpoint.py', path, out)
    assert code == 1
    assert f'{out} exists' in output and '--force' in output
    assert out.read_text() == 'precious'
    run_tool('publish_checkpoint.py', path, out, '--force')
    published = torch.load(out, weights_only=True)['state_dict']
    assert torch.equal(published['weight'], state['weight'])
