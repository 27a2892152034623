"""What the tests of the operators share."""

import pytest
import torch

from cankd_mm.compat import mmcv_ops
from cankd_mm.compat.mmcv_ops import common

mmcv_ops.apply()  # before the first import of mmcv.ops


BACKENDS = ['torch']
if common._torchvision_runs_on('cpu'):
    BACKENDS.append('torchvision')
DEVICES = ['cpu']
if torch.cuda.is_available():
    DEVICES.append('cuda')


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    """Runs a test with plain torch, and with torchvision where it loads."""
    if request.param == 'torch':
        monkeypatch.setattr(common, '_torchvision_runs_on', lambda _: False)
    return request.param


@pytest.fixture(params=DEVICES)
def device(request):
    """Runs a test on the CPU, and on the GPU where there is one."""
    return request.param
