"""What today's torch, mmcv and MMRazor 1.0 need to work together.

One workaround per module. Each has ``needed()``, a probe of the installed
libraries, and ``apply()``; a probe that finds nothing to mend leaves the
libraries untouched. Nothing else in the package knows these problems exist.

What mends a module whose import is heavy waits until somebody imports that.
"""

import functools
import logging
from collections.abc import Iterable
from types import ModuleType

from cankd_mm.compat import (
    checkpoint_config,
    checkpoint_inference,
    checkpoint_loading,
    checkpoint_resume,
    checkpoint_saving,
    config_custom_imports,
    config_scopes,
    distill_val_loop,
    mmcv_ops,
    mmcv_roi_align,
    mmcv_sync_bn,
    mmrazor_cfg_path,
    mmrazor_inplace,
    mmrazor_kd_soft_ce,
    mmrazor_quantization,
    mmrazor_version_gate,
    torchvision_weights,
)
from cankd_mm.utils.after_import import after_import

# In the order they are applied: what MMRazor's import needs comes first.
_WORKAROUNDS = (
    mmcv_ops,
    mmrazor_version_gate,
    mmrazor_quantization,
    config_scopes,
    config_custom_imports,
    checkpoint_loading,
    checkpoint_config,
    checkpoint_inference,
    checkpoint_resume,
    checkpoint_saving,
    torchvision_weights,
    mmrazor_cfg_path,
)
# By the module that they mend, which has to be imported first.
_LATER = {
    'mmcv.ops.roi_align': mmcv_roi_align,
    'mmcv.ops.sync_bn': mmcv_sync_bn,
    'mmrazor.engine.runner.distill_val_loop': distill_val_loop,
    'mmrazor.models.algorithms.base': mmrazor_inplace,
    'mmrazor.models.losses.kd_soft_ce_loss': mmrazor_kd_soft_ce,
}
_applied: list[str] = []
_waiting: set[str] = set()


def apply() -> list[str]:
    """Applies every workaround that is needed; safe to call more than once.

    Returns:
        The names of the workarounds that this call applied, in order.
    """
    now = _apply(_WORKAROUNDS)
    for module, workaround in _LATER.items():
        if module not in _waiting:
            _waiting.add(module)
            after_import(module, functools.partial(_apply, [workaround]))
    return now


def _apply(workarounds: Iterable[ModuleType]) -> list[str]:
    now = []
    for workaround in workarounds:
        name = workaround.__name__.rpartition('.')[2]
        if name not in _applied and workaround.needed():
            workaround.apply()
            _applied.append(name)
            now.append(name)
    if now:
        logging.getLogger('cankd_mm').info(
            'compatibility workarounds applied: %s', ', '.join(now)
        )
    return now


def applied() -> tuple[str, ...]:
    """The names of the workarounds applied in this process, in order."""
    return tuple(_applied)
