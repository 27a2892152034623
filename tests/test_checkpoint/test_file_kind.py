"""What a file is that should be a checkpoint."""

import os
import pickle
import tempfile
from pathlib import Path

import pytest
import torch

from cankd_mm.checkpoint.file_kind import (
    ForbiddenCheckpointError,
    UnreadableCheckpointError,
    file_kind,
    require_checkpoint_file,
)
from tests import bad_files

# What only reading shows.
_READ = {
    'a list',
    'damaged',
    'no weights',
    'old half',
    'old truncated',
}


@pytest.mark.parametrize('name', sorted(set(bad_files.NAMES) - _READ))
def test_message_has_key_path_kind_expectation_and_remedy(name, tmp_path):
    path, words = bad_files.write(name, tmp_path)
    with pytest.raises(UnreadableCheckpointError) as error:
        require_checkpoint_file(path, 'model.teacher_ckpt')
    message = str(error.value)
    assert message.startswith(f'model.teacher_ckpt={str(path)!r} is ')
    assert words in message
    assert 'expected a checkpoint that torch.save wrote' in message
    assert message.count('. ') >= 1 and not message.endswith('.')
    if path.is_file():
        assert f'{path.stat().st_size:,} bytes' in message


@pytest.mark.parametrize('name', sorted(_READ))
def test_what_only_reading_shows_is_left_to_the_reader(name, tmp_path):
    path, _ = bad_files.write(name, tmp_path)
    assert file_kind(path) is None


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('new_format', [True, False])
def test_checkpoints_of_both_formats_pass(new_format, protocol, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(
        dict(state_dict=dict(w=torch.ones(3))),
        path,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=new_format,
    )
    assert file_kind(path) is None
    # An archive by the name of its folder in the file, whatever it is.
    path.rename(tmp_path / 'b.bin')
    assert file_kind(tmp_path / 'b.bin') is None


def test_newest_checkpoints_of_a_folder_are_named(tmp_path):
    for number in range(5):
        file = tmp_path / f'epoch_{number}.pth'
        file.touch()
        os.utime(file, (number, number))
    remedy = file_kind(tmp_path).remedy
    assert remedy.endswith('epoch_4.pth, epoch_3.pth, epoch_2.pth')


def test_a_multibyte_character_cut_by_the_sample_is_still_text(tmp_path):
    path = tmp_path / 'a.pth'
    for shift in range(3):
        path.write_text('a' * shift + '漢' * 4000, encoding='utf-8')
        assert file_kind(path).name.startswith('a text file')


def test_file_without_permission(tmp_path):
    # Of another user's folder tree pytest's own permits nothing.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name, 'a.pth')
        path.write_bytes(bad_files.checkpoint_bytes())
        path.chmod(0)
        is_root = os.geteuid() == 0  # which may read everything
        if is_root:
            os.seteuid(65534)
        try:
            with pytest.raises(ForbiddenCheckpointError) as error:
                require_checkpoint_file(path, '--resume')
        finally:
            if is_root:
                os.seteuid(0)
    message = str(error.value)
    assert message.startswith(f'--resume={str(path)!r} is a file without ')
    assert 'chmod a+r' in message
    assert isinstance(error.value, PermissionError)


@pytest.mark.parametrize(
    'kind', [UnreadableCheckpointError, ForbiddenCheckpointError]
)
def test_error_survives_the_way_between_processes(kind):
    error = kind('a.pth', 'key', 'a folder', 'Do x')
    assert str(error) == (
        "key='a.pth' is a folder; expected a checkpoint that torch.save wrote "
        '(.pth). Do x'
    )
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and type(again) is kind
    assert again.key == 'key' and again.under('other').key == 'other'
