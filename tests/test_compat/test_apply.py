"""When workarounds are applied, and when not."""

import logging
import pkgutil
import re
import sys

import pytest
import torch

from cankd_mm import compat
from tests.commands import ROOT, run

# Libraries as they will be once each problem is mended upstream.
MENDED_WORLD = """
import sys
from importlib.machinery import ModuleSpec

import numpy as np
import torch

class CompiledOperators:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return ModuleSpec(name, None) if name == 'mmcv._ext' else None

sys.meta_path.append(CompiledOperators)

import mmcv
mmcv.__version__ = '2.1.0'

import torch.ao.quantization.fuser_method_mappings as mappings
for name in ('reverse2', 'reverse3', 'reverse_sequential_wrapper2'):
    setattr(mappings, name, object)

from mmengine.config.utils import MODULE2PACKAGE
MODULE2PACKAGE.clear()
MODULE2PACKAGE.update(mmseg='mmseg', cankd_mm='cankd_mm')

from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint

def load_from_local(filename, map_location):
    reconstruct = np.array(0).__reduce__()[0]
    torch.serialization.add_safe_globals([
        HistoryBuffer, getattr, reconstruct, np.ndarray, np.dtype,
        type(np.dtype(float)), type(np.dtype(int)),
    ])
    return torch.load(filename, map_location, weights_only=True)

def load_url(url, weights_only=True):
    pass

checkpoint.load_from_local = load_from_local
checkpoint.get_torchvision_models = dict
torch.hub.load_state_dict_from_url = load_url

from mmrazor.registry import MODELS
MODELS.build_func = lambda cfg, registry: None

from mmengine.config import Config
def fromstring(cfg_str, file_format):
    raise ValueError('not data')
Config.fromstring = staticmethod(fromstring)
Config._file2dict = staticmethod(lambda filename: None)

from mmengine.registry import registry
registry.get_object_from_string = lambda name: None

from mmengine.hooks import CheckpointHook
def before_train(self, runner):
    self.best_ckpt_path = None
def save(self, runner, step, meta):
    runner.save_checkpoint()
CheckpointHook.before_train = before_train
CheckpointHook._save_checkpoint_with_step = save

{damage}
import cankd_mm
from cankd_mm import compat
print('applied:', compat.applied())
"""


def applied_in(world: str) -> str:
    return run(sys.executable, '-c', world).split('applied: ')[1].strip()


needs_torch_2_6 = pytest.mark.skipif(
    not hasattr(torch.serialization, 'get_unsafe_globals_in_checkpoint'),
    reason='no mmengine loads safely with torch < 2.6',
)


@needs_torch_2_6
def test_nothing_is_applied_where_nothing_is_needed():
    assert applied_in(MENDED_WORLD.format(damage='')) == '()'


@needs_torch_2_6
def test_only_what_is_needed_is_applied():
    world = MENDED_WORLD.format(damage='del MODULE2PACKAGE["cankd_mm"]')
    assert applied_in(world) == "('config_scopes',)"


def test_a_second_call_applies_nothing():
    before = compat.applied()
    assert compat.apply() == []
    assert compat.applied() == before


class Workaround:
    """A stand-in that counts its applications."""

    def __init__(self, name: str, needed: bool) -> None:
        self.__name__ = f'cankd_mm.compat.{name}'
        self.needed = lambda: needed
        self.times = 0

    def apply(self) -> None:
        self.times += 1


def test_applies_in_order_once_and_logs_once(monkeypatch, caplog):
    first, second = Workaround('first', True), Workaround('second', True)
    idle = Workaround('idle', False)
    monkeypatch.setattr(compat, '_WORKAROUNDS', (first, idle, second))
    monkeypatch.setattr(compat, '_applied', [])
    with caplog.at_level(logging.INFO, logger='cankd_mm'):
        assert compat.apply() == ['first', 'second']
        assert compat.apply() == []
    assert compat.applied() == ('first', 'second')
    assert (first.times, idle.times, second.times) == (1, 0, 1)
    (record,) = caplog.records
    assert record.getMessage().endswith('first, second')


def test_every_workaround_is_documented():
    page = (ROOT / 'docs/compatibility.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \|(?: [^|]+ \|){3}$', page, re.M)
    there = {module.name for module in pkgutil.iter_modules(compat.__path__)}
    assert set(rows) == there
    assert len(rows) == len(there)
