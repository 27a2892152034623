"""A long training holds no more than a short one."""

import json
import mmap
import os
import statistics
import threading
from pathlib import Path

import pytest
import torch

from tests.commands import ROOT
from tests.forked_tools import fork_tool
from tests.reliability_table import count
from tests.test_reliability.crash_points import in_child
from tests.test_reliability.resource_hook import resources

BASE = ROOT / 'configs' / 'digits' / 'cankd_retinanet.py'
# Iterations of an epoch, and epochs until validation, checkpoint and sample.
EPOCH, EVENT = 10, 2
# Samples until buffers, caches and the allocator's pools have their size.
WARM_UP = 3
# Of the resident memory. A leaked image of the batch would be 110 kB an
# iteration; 4 MB is what 1,500 iterations varied by.
NOISE = 8e6


def samples(folder: Path, iterations: int) -> list[dict[str, int]]:
    """Train; return what was held after every validation."""
    config = folder / 'long.py'
    config.write_text(
        f"""
_base_ = [{str(BASE)!r}]
custom_imports = dict(
    imports=['cankd_mm', 'tests.test_reliability.resource_hook'],
    allow_failed_imports=False)
custom_hooks = [dict(type='ResourceHook', interval={EVENT})]
train_cfg = dict(max_epochs={iterations // EPOCH}, val_interval={EVENT})
train_dataloader = dict(
    batch_size=2,
    # Every epoch ends with the same images, which are held for a while.
    sampler=dict(shuffle=False),
    dataset=dict(indices={2 * EPOCH}))
val_dataloader = dict(dataset=dict(indices=4))
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(interval={EVENT}, save_best='coco/bbox_mAP'))
"""
    )
    work_dir = folder / 'run'
    fork_tool('train.py', config, *('--work-dir', work_dir))
    assert (work_dir / f'epoch_{iterations // EPOCH}.pth').exists()
    return json.loads((work_dir / 'resources.json').read_text())


@pytest.mark.parametrize(
    'iterations', [200, pytest.param(2000, marks=pytest.mark.slow)]
)
def test_what_is_held_does_not_grow(iterations, tmp_path, record_property):
    count(record_property, 'steps', iterations)
    taken = samples(tmp_path, iterations)
    assert len(taken) == (iterations // EPOCH - 1) // EVENT
    settled = taken[WARM_UP:]
    for name in ('hooks', 'files', 'threads', 'tensors', 'bytes'):
        held = [sample[name] for sample in settled]
        assert len(set(held)) == 1, f'{name}: {held}'
    memory = [sample['memory'] for sample in settled]
    third = len(memory) // 3
    growth = statistics.median(memory[-third:]) - statistics.median(
        memory[:third]
    )
    assert growth < NOISE, f'{growth / 1e6:.1f} MB: {memory}'


def test_what_is_counted():
    # In a process of its own, in which nobody else comes and goes.
    assert in_child(_check_counts) == 0


def _check_counts() -> None:
    # Each of the counts sees what it is there for. Torch starts no threads.
    torch.set_num_threads(1)
    lazy = torch.nn.LazyLinear(1)
    before = resources()
    module = torch.nn.Linear(1, 1)
    module.register_forward_hook(print)
    module.register_full_backward_hook(print)
    module.weight.register_hook(print)
    read, write = os.pipe()
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    # Pages that are new to the process: an allocator may have some at hand.
    pages = mmap.mmap(-1, 64_000_000)
    kept = torch.frombuffer(pages, dtype=torch.float32).fill_(1)
    after = resources()
    end.set()
    thread.join()
    os.close(read)
    os.close(write)
    more = {name: after[name] - before[name] for name in before}
    assert more['hooks'] == 3
    assert more['files'] == 2
    assert more['threads'] == 1
    assert more['tensors'] == 3
    assert more['bytes'] == kept.untyped_storage().nbytes() + 8
    assert more['memory'] > 32e6
    assert lazy.has_uninitialized_params()
