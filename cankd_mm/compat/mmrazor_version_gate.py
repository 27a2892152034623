"""Lets MMRazor 1.0 be imported beside an mmcv newer than 2.1.0.

What breaks: ``import mmrazor`` asserts mmcv <= 2.1.0. The bound dates from
the release, nothing that distillation uses has changed since.

Upstream: https://github.com/open-mmlab/mmrazor/issues/534 (no release since
1.0.0, https://github.com/open-mmlab/mmrazor/issues/643).

Probe: mmcv is newer than the bound and the import fails on the assertion.

Delete when: a release of MMRazor accepts the supported mmcv versions.
"""

import sys
from importlib import import_module
from importlib.util import find_spec

#: The newest mmcv that MMRazor 1.0.0 accepts.
NEWEST_ACCEPTED = '2.1.0'


def needed() -> bool:
    """Whether MMRazor refuses the installed mmcv for being too new."""
    if 'mmrazor' in sys.modules:
        return False
    if any(find_spec(name) is None for name in ('mmcv', 'mmrazor')):
        return False
    return _mmcv_is_newer() and not _mmrazor_imports()


def apply() -> None:
    """Imports MMRazor while mmcv states an accepted version."""
    import mmcv

    version = mmcv.__version__
    mmcv.__version__ = NEWEST_ACCEPTED
    try:
        import_module('mmrazor')
    finally:
        mmcv.__version__ = version


def _mmcv_is_newer() -> bool:
    import mmcv
    from mmengine.utils import digit_version

    return digit_version(mmcv.__version__) > digit_version(NEWEST_ACCEPTED)


def _mmrazor_imports() -> bool:
    try:
        import_module('mmrazor')
    except AssertionError:
        return False
    return True
