"""Lets MMRazor be imported where torch lacks its old quantization helpers.

What breaks: ``mmrazor.models``, ``.engine`` and ``.structures`` import
MMRazor's quantization backends, and those call helpers at import that current
torch no longer has. MMRazor replaces a missing helper by a placeholder that
raises "torch>=1.13 is not installed properly" when called, so none of its
distillation can be imported either.

Upstream: https://github.com/open-mmlab/mmrazor/issues/632,
https://github.com/open-mmlab/mmrazor/issues/553.

Probe: every torch name that the backends import is looked up.

Delete when: a release of MMRazor imports with the supported torch versions.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec

#: The subpackage of MMRazor that is replaced.
SUBPACKAGE = 'mmrazor.structures.quantization.backend_config'

#: What that subpackage takes from torch, by module.
REQUIRED = {
    'torch.ao.quantization.backend_config': (
        'BackendConfig',
        'BackendPatternConfig',
        'DTypeConfig',
        'ObservationType',
    ),
    'torch.ao.quantization.fake_quantize': ('FixedQParamsFakeQuantize',),
    'torch.ao.quantization.fuser_method_mappings': (
        'fuse_conv_bn',
        'fuse_conv_bn_relu',
        'fuse_convtranspose_bn',
        'fuse_linear_bn',
        'reverse2',
        'reverse3',
        'reverse_sequential_wrapper2',
    ),
    'torch.ao.quantization.qconfig_mapping': (
        '_FIXED_QPARAMS_OP_TO_OBSERVER',
    ),
}


class UnavailableBackends(dict):
    """Stands in for MMRazor's ``BackendConfigs``; every look-up explains."""

    def __missing__(self, backend: str):
        """Raises; there is no backend to return."""
        import torch

        raise RuntimeError(
            f'quantization backend {backend!r}: MMRazor quantization is not '
            f'available on torch {torch.__version__}, which lacks '
            f'{", ".join(missing())}. Distillation does not need it; to '
            'quantize with MMRazor use a torch that it was written for (1.13).'
        )


def missing() -> list[str]:
    """The torch names that MMRazor's quantization backends do not find."""
    return [
        f'{module}.{name}'
        for module, names in REQUIRED.items()
        for name in names
        if not _importable(module, name)
    ]


def needed() -> bool:
    """Whether importing MMRazor's quantization backends would fail."""
    if SUBPACKAGE in sys.modules or find_spec('mmrazor') is None:
        return False
    return bool(missing())


def apply() -> None:
    """Puts a stub in place of the subpackage."""
    stub = module_from_spec(ModuleSpec(SUBPACKAGE, None, is_package=True))
    stub.BackendConfigs = UnavailableBackends()
    stub.__all__ = ['BackendConfigs']
    sys.modules[SUBPACKAGE] = stub


def _importable(module: str, name: str) -> bool:
    try:
        return hasattr(import_module(module), name)
    except ImportError:
        return False
