"""Damage is found before weights are used."""

import os
import zipfile

import pytest
import torch
from mmengine.runner import CheckpointLoader

from cankd_mm.checkpoint import integrity
from cankd_mm.checkpoint.file_kind import UnreadableCheckpointError
from cankd_mm.checkpoint.integrity import reading, require_undamaged
from cankd_mm.utils.checkpoint import read_checkpoint
from tests import bad_files


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(bad_files.checkpoint_bytes())
    return path


def test_whole_files_pass(checkpoint):
    require_undamaged(checkpoint, 'checkpoint')


@pytest.mark.parametrize('count', [1, 2000])
def test_flipped_bytes_are_found_though_torch_loads_them(checkpoint, count):
    bad_files.flip_bytes(checkpoint, count)
    torch.load(checkpoint, weights_only=True)
    with pytest.raises(UnreadableCheckpointError) as error:
        require_undamaged(checkpoint, 'model.teacher_ckpt')
    message = str(error.value)
    assert message.startswith(f'model.teacher_ckpt={str(checkpoint)!r} is a ')
    assert 'damaged checkpoint: 1 of its records' in message
    assert '/data/0' in message and 'Copy or download' in message


def test_every_byte_of_every_record_is_covered(tmp_path):
    path = tmp_path / 'a.pth'
    state = {f'w{i}': torch.full((2,), float(i)) for i in range(3)}
    path.write_bytes(bad_files.checkpoint_bytes(dict(state_dict=state)))
    whole = path.read_bytes()
    places = []
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            start = whole.index(
                archive.read(record), record.header_offset + 30
            )
            places += range(start, start + record.file_size)
    assert len(places) > 200
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(UnreadableCheckpointError, match='damaged'):
            require_undamaged(path, 'checkpoint')


def test_damaged_header_of_a_record_is_found(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    with zipfile.ZipFile(checkpoint) as archive:
        content[archive.infolist()[3].header_offset] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(UnreadableCheckpointError, match='damaged'):
        require_undamaged(checkpoint, 'checkpoint')


@pytest.mark.skipif(
    not hasattr(torch.serialization, 'set_crc32_options'),
    reason='this torch always writes checksums',
)
def test_files_without_checksums_pass(tmp_path):
    path = tmp_path / 'a.pth'
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(dict(state_dict=dict(w=torch.ones(9))), path)
    finally:
        torch.serialization.set_crc32_options(True)
    with zipfile.ZipFile(path) as archive:
        assert not any(info.CRC for info in archive.infolist())
    require_undamaged(path, 'checkpoint')


def test_files_of_old_torch_pass(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(
        dict(w=torch.ones(9)), path, _use_new_zipfile_serialization=False
    )
    require_undamaged(path, 'checkpoint')


@pytest.mark.parametrize('new_format', [True, False])
def test_a_file_that_ends_anywhere_is_named(tmp_path, new_format):
    path = tmp_path / 'a.pth'
    whole = bad_files.checkpoint_bytes(
        dict(state_dict=dict(weight=torch.ones(9))),
        _use_new_zipfile_serialization=new_format,
    )
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableCheckpointError) as error:
            read_checkpoint(str(path), '--resume')
        assert str(error.value).startswith(f'--resume={str(path)!r} is a')


def test_unchanged_file_is_read_once_and_a_changed_one_again(checkpoint):
    old = checkpoint.stat().st_mtime_ns - 10**11
    os.utime(checkpoint, ns=(old, old))
    calls = integrity._damaged_records.cache_info
    before = calls()
    require_undamaged(checkpoint, 'checkpoint')
    require_undamaged(checkpoint, 'checkpoint')
    assert calls().misses == before.misses + 1
    assert calls().hits == before.hits + 1
    bad_files.flip_bytes(checkpoint)
    with pytest.raises(UnreadableCheckpointError, match='damaged'):
        require_undamaged(checkpoint, 'checkpoint')


def test_young_file_is_read_each_time(checkpoint):
    status = checkpoint.stat()
    require_undamaged(checkpoint, 'checkpoint')
    bad_files.flip_bytes(checkpoint)
    # As within one tick of the file system's clock.
    os.utime(checkpoint, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(UnreadableCheckpointError, match='damaged'):
        require_undamaged(checkpoint, 'checkpoint')


def test_failures_of_torch_name_key_and_file(checkpoint):
    with (
        pytest.raises(
            UnreadableCheckpointError, match='--resume=.*a.pth.*EOF'
        ),
        reading(checkpoint, '--resume'),
    ):
        raise EOFError('EOF')


@pytest.mark.parametrize(
    'error',
    [
        MemoryError(),
        RuntimeError('CUDA error: out of memory'),
        OSError('no device'),
        type('UnsafeError', (ValueError,), {})('code'),
    ],
)
def test_failures_that_are_not_the_files_pass(checkpoint, error):
    with pytest.raises(type(error)) as caught, reading(checkpoint, 'key'):
        raise error
    assert caught.value is error


def test_open_files_are_read_as_they_are(checkpoint):
    with checkpoint.open('rb') as file, reading(file, 'key'):
        assert torch.load(file, weights_only=True)['meta'] == dict(epoch=1)


def test_mmengines_loader_finds_damage(checkpoint):
    bad_files.flip_bytes(checkpoint)
    with pytest.raises(UnreadableCheckpointError) as error:
        CheckpointLoader.load_checkpoint(str(checkpoint), logger='silent')
    assert str(error.value).startswith(f'checkpoint={str(checkpoint)!r} is a')


def test_damage_of_what_torch_hub_has_cached_is_found(
    checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    cached = tmp_path / 'checkpoints' / 'weights.pth'
    cached.write_bytes(checkpoint.read_bytes())
    url = 'https://example.org/weights.pth'
    assert read_checkpoint(url, 'model.teacher_ckpt')['meta'] == dict(epoch=1)
    bad_files.flip_bytes(cached)
    with pytest.raises(UnreadableCheckpointError) as error:
        read_checkpoint(url, 'model.teacher_ckpt')
    message = str(error.value)
    assert message.startswith(f'model.teacher_ckpt={str(cached)!r} is a dama')
