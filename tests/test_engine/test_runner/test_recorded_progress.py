"""Progress is read without tensors, and without running anything."""

import os
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from cankd_mm.engine.runner.recorded_progress import recorded_progress


def checkpoint(**changes) -> dict:
    weights = torch.nn.Conv2d(3, 4, 3).state_dict()
    return dict(
        dict(
            meta=dict(iter=12, epoch=3, dataset_meta=dict(classes=('a',))),
            state_dict=weights,
            optimizer=dict(state={0: weights}, lr=np.float64(0.1)),
            message_hub=dict(log_scalars=HistoryBuffer([1.0], [1])),
        ),
        **changes,
    )


def test_iteration_and_epoch(tmp_path):
    torch.save(checkpoint(), tmp_path / 'a.pth')
    assert recorded_progress(tmp_path / 'a.pth') == (12, 3)
    with open(tmp_path / 'b.pth', 'wb') as file:
        torch.save(checkpoint(), file)
    assert recorded_progress(str(tmp_path / 'b.pth')) == (12, 3)


def test_tensors_are_not_read(tmp_path):
    whole, bare = tmp_path / 'whole.pth', tmp_path / 'bare.pth'
    torch.save(checkpoint(), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(bare, 'w') as to:
        for name in source.namelist():
            if name.endswith('data.pkl'):
                to.writestr(name, source.read(name))
    assert recorded_progress(bare) == (12, 3)


class Hostile:
    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize('place', ['meta', 'extra'])
def test_nothing_is_executed(place, tmp_path):
    hostile = Hostile()
    hostile.folder = str(tmp_path / 'made')
    meta = dict(iter=12, epoch=3)
    if place == 'meta':
        meta['iter'] = hostile
    torch.save(checkpoint(meta=meta, extra=hostile), tmp_path / 'a.pth')
    expected = None if place == 'meta' else (12, 3)
    assert recorded_progress(tmp_path / 'a.pth') == expected
    assert not (tmp_path / 'made').exists()
    # It would have been.
    torch.load(tmp_path / 'a.pth', weights_only=False)
    assert (tmp_path / 'made').exists()


def test_other_files_record_nothing(tmp_path):
    path = tmp_path / 'a.pth'
    assert recorded_progress(path) is None
    for content in ({'meta': {}}, [1], checkpoint()['state_dict']):
        torch.save(content, path)
        assert recorded_progress(path) is None
    torch.save(checkpoint(), path, _use_new_zipfile_serialization=False)
    assert recorded_progress(path) is None
    torch.save(checkpoint(), path)
    os.truncate(path, path.stat().st_size // 2)
    assert recorded_progress(path) is None
