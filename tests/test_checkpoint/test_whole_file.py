"""Files appear whole or not at all."""

import os
import stat

import pytest
import torch

from cankd_mm.checkpoint.whole_file import (
    leftovers,
    save_whole,
    whole_file,
    write_text_whole,
)


def test_replaces_a_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / 'new' / 'notes.txt'
    write_text_whole('a', path)
    write_text_whole('ä', path)
    assert path.read_text(encoding='utf-8') == 'ä'
    assert [p.name for p in path.parent.iterdir()] == ['notes.txt']


def test_saves_what_torch_saves(tmp_path):
    save_whole(dict(weight=torch.arange(3)), tmp_path / 'a.pth')
    loaded = torch.load(tmp_path / 'a.pth', weights_only=True)
    assert torch.equal(loaded['weight'], torch.arange(3))


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_failure_keeps_the_former_file(tmp_path, error):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'before')
    with pytest.raises(error), whole_file(path) as file:
        file.write(b'half')
        raise error
    assert path.read_bytes() == b'before'
    assert [p.name for p in tmp_path.iterdir()] == ['a.pth']


def test_data_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    order = []
    for name in ('fsync', 'replace'):
        real = getattr(os, name)

        def note(*args, _name=name, _real=real):
            order.append(_name)
            return _real(*args)

        monkeypatch.setattr(os, name, note)
    save_whole({}, tmp_path / 'a.pth')
    # The folder, too, so that the name lasts.
    assert order == ['fsync', 'replace', 'fsync']


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    (tmp_path / 'ordinary').write_bytes(b'')
    save_whole({}, tmp_path / 'a.pth')
    modes = {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert len(modes) == 1


def test_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / 'taken').write_bytes(b'')
    with pytest.raises(OSError, match=r'taken/a\.pth was not written'):
        save_whole({}, tmp_path / 'taken' / 'a.pth')


def test_other_errors_are_not_about_the_disk(tmp_path):
    with pytest.raises(RuntimeError, match='mine'), whole_file(tmp_path / 'a'):
        raise RuntimeError('mine')


def test_leftovers_of_killed_processes(tmp_path):
    names = [
        '.epoch_2.pth.bljy2gnz.unfinished',
        '.last_checkpoint._abc1234.unfinished',
        # As the first releases left them.
        '.epoch_2_student.pth.4711',
    ]
    others = ['epoch_2.pth', '.epoch_2.pth', '.git', 'x.unfinished', '.a.4711']
    for name in names + others:
        (tmp_path / name).write_bytes(b'')
    assert [p.name for p in leftovers(tmp_path)] == sorted(names)
    assert leftovers(tmp_path / 'none') == []


def test_link_keeps_leading_to_the_file(tmp_path):
    (tmp_path / 'link').symlink_to(tmp_path / 'file')
    save_whole({}, tmp_path / 'link')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'file').is_file()


def test_pipe_is_written_through(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    reader = os.open(tmp_path / 'pipe', os.O_RDONLY | os.O_NONBLOCK)
    write_text_whole('text', tmp_path / 'pipe')
    assert os.read(reader, 10) == b'text'
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / 'pipe').stat().st_mode)
