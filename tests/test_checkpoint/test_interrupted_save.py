"""What a stopped run left is finished, and nobody else's file is touched."""

import os

import torch

from tests.toy_distillation import Distillation, toy_runner


def _train(folder, epochs: int, resume: bool = False, **checkpoint):
    toy_runner(
        folder,
        Distillation(),
        dict(by_epoch=True, max_epochs=epochs),
        dict(interval=1, save_best='score', **checkpoint),
        resume=resume,
    ).train()


def _files(folder) -> set[str]:
    return {path.name for path in folder.glob('*.pth')}


def _with_note(path, names: list[str]) -> None:
    content = torch.load(path, weights_only=False)
    content['message_hub']['runtime_info']['pending_removal'] = names
    content['message_hub']['resumed_keys']['pending_removal'] = True
    torch.save(content, path)


def test_best_checkpoint_of_an_earlier_run_is_not_adopted(tmp_path):
    # It falls from epoch to epoch, so that the last is the best by `less`
    # and the first by `greater`.
    _train(tmp_path, 2, rule='less')
    _train(tmp_path, 2, rule='greater')
    assert 'best_score_epoch_2.pth' in _files(tmp_path)
    _train(tmp_path, 3, resume=True, rule='greater')
    # The name fits, what it would replace does not.
    assert {'best_score_epoch_1.pth', 'best_score_epoch_2.pth'} <= _files(
        tmp_path
    )


def test_worse_successor_is_not_adopted(tmp_path):
    _train(tmp_path, 1, rule='greater')
    best = torch.load(tmp_path / 'best_score_epoch_1.pth', weights_only=False)
    info = best['message_hub']['runtime_info']
    info['best_score'] -= 1
    last = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    del last['message_hub']['runtime_info']['best_ckpt']
    torch.save(last, tmp_path / 'epoch_1.pth')
    torch.save(best, tmp_path / 'best_score_epoch_1.pth')
    score = last['message_hub']['runtime_info']['best_score']
    _train(tmp_path, 2, resume=True, rule='greater')
    found = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    assert found['message_hub']['runtime_info']['best_score'] == score


def test_only_older_checkpoints_that_are_noted_are_removed(tmp_path):
    _train(tmp_path, 2, rule='less')
    names = ['epoch_1.pth', 'epoch_7.pth', 'teacher.pth', '../epoch_1.pth']
    for name in names[1:3]:
        (tmp_path / name).write_bytes(b'mine')
    _with_note(tmp_path / 'epoch_2.pth', names)
    # Made since the checkpoint was saved.
    later = (tmp_path / 'epoch_2.pth').stat().st_mtime + 10
    os.utime(tmp_path / 'epoch_7.pth', (later, later))
    other = tmp_path.parent / 'epoch_1.pth'
    other.write_bytes(b'mine')
    _train(tmp_path, 3, resume=True, rule='less')
    left = _files(tmp_path)
    assert 'epoch_1.pth' not in left
    assert 'epoch_1_student.pth' not in left
    assert {'epoch_7.pth', 'teacher.pth'} <= left
    assert other.exists()
