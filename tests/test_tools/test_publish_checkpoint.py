import sys

import pytest
import torch

from tests.commands import run_tool, run_unchecked
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


def test_of_a_distillation_the_student_is_published(tmp_path):
    path, out = tmp_path / 'epoch_1.pth', tmp_path / 'out.pth'
    state = {
        'architecture.a': torch.ones(2),
        'architecture.b': torch.ones(3),
        'distiller.c': torch.ones(4),
        'distiller.d': torch.full((4,), torch.nan),  # not published
        'teacher.a': torch.ones(5),
    }
    torch.save(dict(state_dict=state), path)
    output = fork_tool('publish_checkpoint.py', path, out)
    assert (
        'published the student, left out distiller.* '
        '(2 keys), teacher.* (1 keys)'
    ) in output
    assert torch.load(out)['state_dict'].keys() == {'a', 'b'}


def test_half_keeps_and_names_what_it_would_spoil(tmp_path):
    path, out = tmp_path / 'epoch_1.pth', tmp_path / 'new' / 'out.pth'
    state = dict(
        fine=torch.tensor([1.0, 1e-9]),
        large=torch.tensor([1.0, 1e5]),
        tiny=torch.tensor([1e-9, -1e-9]),
        zero=torch.zeros(2),
        mask=torch.tensor([0.0, -torch.inf]),
        running_var=torch.tensor([1.0, 1e-9]),
        running_mean=torch.tensor([1.0, 1e-9]),
    )
    torch.save(dict(state_dict=state), path)
    output = fork_tool('publish_checkpoint.py', path, out, '--half')
    published = torch.load(out)['state_dict']
    kept = {'large', 'tiny', 'running_var'}
    assert {n for n, v in published.items() if v.dtype == torch.float32} == (
        kept
    )
    assert all(torch.equal(published[name], state[name]) for name in kept)
    assert output.count('Kept ') == 3
    assert (
        'Kept large in full precision: its largest number is 1e+05' in output
    )
    assert torch.equal(published['mask'].float(), state['mask'])


@pytest.mark.parametrize('options', [[], ['--half']])
def test_weights_that_are_not_finite_are_refused(tmp_path, options):
    path, out = tmp_path / 'epoch_1.pth', tmp_path / 'out.pth'
    torch.save(dict(state_dict=dict(w=torch.tensor([1.0, torch.nan]))), path)
    code, output = fork_tool_unchecked(
        'publish_checkpoint.py', path, out, *options
    )
    assert code != 0
    assert f'checkpoint={str(path)!r}: 1 tensor with NaN' in output
    assert 'w (1 NaN of 2)' in output
    assert not out.exists()


def test_the_checkpoint_itself_is_never_overwritten(checkpoint, tmp_path):
    path = tmp_path / 'epoch_1.pth'
    content = checkpoint[0].read_bytes()
    path.write_bytes(content)
    link = tmp_path / 'link.pth'
    link.symlink_to(path)
    for out in (path, link):
        code, output = fork_tool_unchecked(
            'publish_checkpoint.py', path, out, '--force'
        )
        assert code != 0
        assert f'out={str(out)!r} is the checkpoint itself' in output
    assert path.read_bytes() == content and link.is_symlink()


def test_full_disk_leaves_nothing_under_the_final_name(checkpoint, tmp_path):
    big = tmp_path / 'big.pth'
    torch.save(dict(state_dict=dict(w=torch.rand(300_000))), big)
    out = tmp_path / 'out' / 'small.pth'
    code, output = run_unchecked(
        'bash',
        '-c',
        # In blocks of 1024 bytes; a limit of this kind is an error as a full
        # disk is.
        f'trap "" XFSZ; ulimit -f 100; exec {sys.executable} '
        f'tools/publish_checkpoint.py {big} {out}',
    )
    assert code != 0
    assert f'{out} was not written' in output and 'Make room' in output
    assert list(out.parent.iterdir()) == []
