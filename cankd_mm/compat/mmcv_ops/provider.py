"""The import finder that provides ``mmcv._ext``."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import NoReturn

NAME = 'mmcv._ext'


class _Loader(Loader):
    """Fills the module with the operators of this package."""

    def create_module(self, spec):
        return None

    def exec_module(self, module) -> None:
        from cankd_mm.compat.mmcv_ops import (
            carafe,
            deform_conv,
            deform_roi_pool,
            focal_loss,
            line_nms,
            masked_conv,
            ms_deform_attn,
            nms,
            psa_mask,
            roi_align,
            roi_pool,
            sync_batch_norm,
        )

        families = (
            *(nms, line_nms, roi_align, roi_pool, deform_roi_pool),
            *(deform_conv, ms_deform_attn, masked_conv, carafe, psa_mask),
            *(focal_loss, sync_batch_norm),
        )
        operators = {
            name: getattr(family, name)
            for family in families
            for name in family.__all__
        }
        vars(module).update(
            operators,
            # Reports of the environment ask for these.
            get_compiler_version=lambda: 'none (operators by cankd_mm)',
            get_compiling_cuda_version=lambda: 'not available',
            __getattr__=_stand_in,
        )


class _Finder(MetaPathFinder):
    """Finds ``mmcv._ext`` and nothing else."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != NAME:
            return None
        return ModuleSpec(NAME, _Loader(), origin='cankd_mm.compat.mmcv_ops')


FINDER = _Finder()


def find_compiled() -> bool | None:
    """Looks for a ``mmcv._ext`` besides this one, without importing mmcv.

    Returns:
        Whether one is there; None without mmcv.
    """
    mmcv = find_spec('mmcv')
    if mmcv is None:
        return None
    path = mmcv.submodule_search_locations
    return any(
        finder.find_spec(NAME, path) is not None
        for finder in sys.meta_path
        if finder is not FINDER and hasattr(finder, 'find_spec')
    )


def _stand_in(name: str):
    """Answers for an operator without a fallback: fails when called.

    ``mmcv.ops`` asks for every operator when it is imported, so that the
    error has to wait for the call.
    """
    if name.startswith('__'):
        raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

    def missing(*args, **kwargs) -> NoReturn:
        from cankd_mm.utils.missing_operators import MissingOperatorError

        raise MissingOperatorError(
            f'mmcv operator `{name}` needs mmcv compiled with its operators, '
            'and this mmcv was installed without them. Install a wheel that '
            'has them (`mim install mmcv`) or compile them: `MMCV_WITH_OPS=1 '
            'pip install --force-reinstall --no-deps --no-build-isolation '
            '--no-binary :all: onedl-mmcv` (or `mmcv`) with setuptools<81, '
            'ninja and a C++ compiler; it takes about half an hour.'
        )

    missing.__name__ = missing.__qualname__ = name
    missing.is_missing = True
    return missing
