"""MMRazor's quantization backends where torch lacks their helpers."""

import sys
from importlib import import_module

import pytest
import torch

from cankd_mm.compat import mmrazor_quantization as quantization


@pytest.fixture
def not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, quantization.SUBPACKAGE, raising=False)


def test_needed_where_a_helper_is_missing(not_imported, monkeypatch):
    module = import_module('torch.ao.quantization.fake_quantize')
    monkeypatch.delattr(module, 'FixedQParamsFakeQuantize')
    name = f'{module.__name__}.FixedQParamsFakeQuantize'
    assert name in quantization.missing()
    assert quantization.needed()


def test_not_needed_where_torch_has_every_helper(not_imported, monkeypatch):
    for name in quantization.missing():
        module, _, attribute = name.rpartition('.')
        monkeypatch.setattr(
            import_module(module), attribute, object(), raising=False
        )
    assert quantization.missing() == []
    assert not quantization.needed()


def test_a_module_that_torch_dropped_counts_as_missing(monkeypatch):
    module = 'torch.ao.quantization.no_such_module'
    monkeypatch.setattr(quantization, 'REQUIRED', {module: ('name',)})
    assert quantization.missing() == [f'{module}.name']


def test_not_needed_once_the_subpackage_is_imported():
    import_module('mmrazor.structures')
    assert quantization.SUBPACKAGE in sys.modules
    assert not quantization.needed()


def test_a_look_up_says_what_is_not_available_and_why(monkeypatch):
    monkeypatch.setattr(quantization, 'missing', lambda: ['torch.ao.gone'])
    backends = quantization.UnavailableBackends()
    with pytest.raises(RuntimeError) as error:
        backends['tensorrt']
    message = str(error.value)
    for part in ('tensorrt', 'not available', torch.__version__, 'ao.gone'):
        assert part in message


def test_mmrazor_sees_the_stub(not_imported, monkeypatch):
    quantization.apply()
    stub = sys.modules[quantization.SUBPACKAGE]
    assert stub.__spec__.name == quantization.SUBPACKAGE
    exec(f'from {quantization.SUBPACKAGE} import *', names := {})
    assert isinstance(
        names['BackendConfigs'], quantization.UnavailableBackends
    )
