"""Checkpoints are data: what they may hold, and that none of it runs."""

import copy
import functools
import io
import os
import pickle
import tarfile
import threading
from collections import OrderedDict
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import CheckpointLoader, checkpoint
from torch import nn

from cankd_mm.checkpoint.file_kind import UnreadableCheckpointError
from cankd_mm.compat import checkpoint_loading
from cankd_mm.compat.checkpoint_loading import UnsafeCheckpointError
from tests.toy_run import toy_runner

TORCH_LOAD = torch.load


@pytest.fixture(autouse=True, params=['of this torch', 'restricted unpickler'])
def mechanism(request, monkeypatch):
    """Both ways to enforce the list, whichever this torch would choose."""
    if request.param == 'restricted unpickler':
        monkeypatch.setattr(
            checkpoint_loading, '_has_allow_list', lambda: False
        )
    return request.param


class Attack:
    """Pickles as a call; the call leaves a folder behind."""

    def __init__(self, folder, call=os.mkdir) -> None:
        self.folder, self.call = str(folder), call

    def __reduce__(self):
        return self.call, (self.folder,)


def load(content, path, **save_arguments):
    torch.save(content, path, **save_arguments)
    return CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')


# refused


@pytest.mark.parametrize('new_format', [True, False])
def test_code_in_a_file_is_refused_and_does_not_run(tmp_path, new_format):
    ran = tmp_path / 'ran'
    path = tmp_path / 'attack.pth'
    with pytest.raises(UnsafeCheckpointError) as error:
        load(
            dict(state_dict={}, meta=Attack(ran)),
            path,
            _use_new_zipfile_serialization=new_format,
        )
    assert not ran.exists()
    message = str(error.value)
    for part in (str(path), f'{os.mkdir.__module__}.mkdir', 'convert it once'):
        assert part in message


def test_code_in_a_file_behind_an_url_is_refused_and_does_not_run(
    tmp_path, monkeypatch
):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    ran = tmp_path / 'ran'
    torch.save(dict(meta=Attack(ran)), tmp_path / 'attack.pth')
    torch.save(dict(state_dict={'x': torch.ones(2)}), tmp_path / 'good.pth')
    handler = functools.partial(
        SimpleHTTPRequestHandler, directory=str(tmp_path)
    )
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}'
        with pytest.raises(UnsafeCheckpointError, match='attack.pth'):
            CheckpointLoader.load_checkpoint(f'{url}/attack.pth', 'cpu')
        good = CheckpointLoader.load_checkpoint(f'{url}/good.pth', 'cpu')
        server.shutdown()
    assert not ran.exists()
    assert torch.equal(good['state_dict']['x'], torch.ones(2))


def attribute_of(owner, name):
    class Attribute:
        def __reduce__(self):
            return getattr, (owner, name)

    return Attribute()


@pytest.mark.parametrize(
    ('owner', 'name'),
    [
        (HistoryBuffer, 'register_statistics'),
        (OneCycleParamScheduler, 'from_config'),
        (np.ndarray, 'tofile'),
        ('text', 'format'),
    ],
)
def test_getattr_reaches_log_statistics_and_annealing_only(
    owner, name, tmp_path
):
    with pytest.raises(UnsafeCheckpointError, match=name):
        load(dict(meta=attribute_of(owner, name)), tmp_path / 'a.pth')


def test_a_scheduler_may_be_named_but_not_built(tmp_path):
    class Call:
        def __reduce__(self):
            return OneCycleParamScheduler, (None, 'lr')

    with pytest.raises((UnsafeCheckpointError, UnreadableCheckpointError)):
        load(dict(meta=Call()), tmp_path / 'a.pth')


def test_a_file_that_is_no_checkpoint_is_an_error_of_its_own(tmp_path):
    (tmp_path / 'a.pth').write_text('no checkpoint')
    with pytest.raises(UnreadableCheckpointError, match='a.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))


def test_a_torchscript_archive_is_refused(tmp_path):
    path = tmp_path / 'a.pth'
    torch.jit.script(nn.Linear(1, 1)).save(path)
    with pytest.raises((UnsafeCheckpointError, UnreadableCheckpointError)):
        CheckpointLoader.load_checkpoint(str(path), logger='silent')
    with pytest.raises(UnsafeCheckpointError, match='TorchScript archive'):
        checkpoint_loading._refuse_archives(str(path), 'a.pth')


@pytest.mark.parametrize('style', [tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tar_archive_is_refused(style, tmp_path):
    """torch unpacks the files of its oldest format."""
    path, ran = tmp_path / 'a.pth', tmp_path / 'ran'
    with tarfile.open(path, 'w', format=style) as archive:
        for name in ('storages', 'tensors', 'pickle', 'sys_info'):
            content = pickle.dumps(Attack(ran), protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with pytest.raises((UnsafeCheckpointError, UnreadableCheckpointError)):
        CheckpointLoader.load_checkpoint(str(path), logger='silent')
    with pytest.raises(UnsafeCheckpointError, match='tar archive'):
        checkpoint_loading._refuse_archives(str(path), 'a.pth')
    assert not ran.exists()


def test_a_file_does_not_change_what_log_histories_compute(tmp_path):
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    history._statistics_methods = dict(mean=HistoryBuffer.max)
    load(dict(log=history), tmp_path / 'a.pth')
    assert HistoryBuffer([1.0, 3.0], [1, 1]).statistics('mean') == 2


# loaded


def test_what_openmmlab_writes_is_loaded(tmp_path):
    content = dict(
        state_dict=OrderedDict(weight=torch.randn(2, 3)),
        meta=dict(
            cfg='a = 1',
            dataset_meta=dict(classes=('cat',), palette=[(1, 2, 3)]),
            nested=ConfigDict(a=dict(b=[1, 2])),
        ),
        scores=[np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True)],
        arrays=[
            np.arange(6, dtype=dtype).reshape(2, 3)
            for dtype in (np.uint8, np.int32, np.float16, np.float64)
        ],
        names=np.array(['a', 'bc']),
        blob=b'\x00\xff',
    )
    loaded = load(content, tmp_path / 'a.pth')
    assert torch.equal(
        loaded['state_dict']['weight'], content['state_dict']['weight']
    )
    assert loaded['meta'] == content['meta']
    assert isinstance(loaded['meta']['nested'], ConfigDict)
    assert loaded['scores'] == content['scores']
    assert [type(s) for s in loaded['scores']] == [
        type(s) for s in content['scores']
    ]
    for got, want in zip(loaded['arrays'], content['arrays'], strict=True):
        assert got.dtype == want.dtype and (got == want).all()
    assert loaded['names'].tolist() == ['a', 'bc']
    assert loaded['blob'] == content['blob']


@pytest.mark.parametrize('module', ['numpy.core', 'numpy._core'])
def test_arrays_of_the_other_numpy_are_loaded(module, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(
        dict(array=np.arange(3.0)), path, _use_new_zipfile_serialization=False
    )
    content = path.read_bytes()
    for name in (b'numpy._core.', b'numpy.core.'):
        content = content.replace(name, module.encode() + b'.')
    path.write_bytes(content)
    loaded = CheckpointLoader.load_checkpoint(str(path), logger='silent')
    assert loaded['array'].tolist() == [0, 1, 2]


def test_a_class_that_the_user_allows_is_loaded(tmp_path, mechanism):
    if (
        mechanism != 'of this torch'
        or not checkpoint_loading._has_allow_list()
    ):
        pytest.skip('no list that a user can add to')
    from argparse import Namespace

    with torch.serialization.safe_globals([Namespace]):
        loaded = load(dict(args=Namespace(lr=0.1)), tmp_path / 'a.pth')
    assert loaded['args'].lr == 0.1
    with pytest.raises(UnsafeCheckpointError, match='argparse.Namespace'):
        load(dict(args=Namespace(lr=0.1)), tmp_path / 'a.pth')


# nothing else changes


def test_torch_load_is_its_own_again_after_a_load_and_a_refusal(tmp_path):
    load({}, tmp_path / 'a.pth')
    with pytest.raises(UnsafeCheckpointError):
        load(dict(meta=Attack(tmp_path / 'ran')), tmp_path / 'b.pth')
    assert torch.load is TORCH_LOAD


@pytest.mark.skipif(
    not hasattr(torch.serialization, 'safe_globals'),
    reason='this torch has no list that a user can add to',
)
def test_the_users_list_is_as_it_was_after_a_load(tmp_path):
    with torch.serialization.safe_globals([Attack]):
        before = set(torch.serialization.get_safe_globals())
        load({}, tmp_path / 'a.pth')
        assert Attack in before
        assert set(torch.serialization.get_safe_globals()) == before


def test_other_threads_load_as_before(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(meta=Attack(tmp_path / 'ran')), path)
    with checkpoint_loading._torch_load_restricted('other.pth'):
        thread = threading.Thread(
            target=lambda: torch.load(path, weights_only=False)
        )
        thread.start()
        thread.join()
    assert (tmp_path / 'ran').is_dir()


# probes


def own_list_load(filename, map_location):
    """How a mended mmengine loads."""
    if checkpoint_loading._has_allow_list():
        with checkpoint_loading._only([]):
            return torch.load(filename, map_location, weights_only=True)
    return torch.load(
        filename,
        map_location,
        pickle_module=checkpoint_loading._restricted_pickle(),
        weights_only=False,
    )


def test_probes_find_a_loader_that_runs_code(monkeypatch):
    monkeypatch.setattr(
        checkpoint,
        'load_from_local',
        lambda path, device: torch.load(path, device, weights_only=False),
    )
    assert checkpoint_loading._runs_code()
    assert not checkpoint_loading._refuses_own()


def test_probes_find_a_loader_that_refuses_mmengines_own_files(monkeypatch):
    monkeypatch.setattr(
        checkpoint,
        'load_from_local',
        lambda path, device: torch.load(path, device, weights_only=True),
    )
    assert not checkpoint_loading._runs_code()
    assert checkpoint_loading._refuses_own()


def test_probes_find_nothing_where_mmengine_loads_safely(monkeypatch):
    monkeypatch.setattr(checkpoint, 'load_from_local', own_list_load)
    assert not checkpoint_loading._runs_code()
    assert not checkpoint_loading._refuses_own()


def test_probe_finds_that_urls_are_trusted(monkeypatch):
    def restricted(url, weights_only=True):
        pass

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', restricted)
    assert not checkpoint_loading._trusts_urls()
    restricted.__defaults__ = (False,)
    assert checkpoint_loading._trusts_urls()


def test_not_needed_once_applied():
    assert not checkpoint_loading.needed()


# a real run


class AfterResume(Hook):
    """Keeps what a run resumed with."""

    def before_train(self, runner) -> None:
        self.progress = runner.epoch, runner.iter
        self.logs = copy.deepcopy(runner.message_hub.log_scalars)
        self.best = runner.message_hub.get_info('best_score')
        self.optimizer = copy.deepcopy(
            runner.optim_wrapper.optimizer.state_dict()
        )


def test_a_run_resumes_from_its_own_checkpoint(tmp_path, mechanism):
    first = toy_runner(tmp_path / f'first-{mechanism}', epochs=2)
    first.train()
    logs = first.message_hub.log_scalars
    optimizer = first.optim_wrapper.optimizer.state_dict()

    second = toy_runner(
        tmp_path / f'second-{mechanism}',
        epochs=3,
        load_from=os.path.join(first.work_dir, 'epoch_2.pth'),
        resume=True,
    )
    resumed = AfterResume()
    second.register_hook(resumed)
    second.train()
    assert resumed.progress == (2, 4)
    assert resumed.best == 0.5
    assert torch.equal(
        resumed.optimizer['state'][0]['exp_avg'],
        optimizer['state'][0]['exp_avg'],
    )
    got, want = resumed.logs['train/loss'], logs['train/loss']
    np.testing.assert_array_equal(got.data, want.data)
    assert got.mean() == want.mean()
    assert (second.epoch, second.iter) == (3, 6)
