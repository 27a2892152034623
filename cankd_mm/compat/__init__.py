"""What today's torch, mmcv and MMRazor 1.0 need to work together.

One workaround per module. Each has ``needed()``, a probe of the installed
libraries, and ``apply()``; a probe that finds nothing to mend leaves the
libraries untouched. Nothing else in the package knows these problems exist.
"""

import logging
from types import ModuleType

from cankd_mm.compat import (
    checkpoint_config,
    checkpoint_inference,
    checkpoint_loading,
    checkpoint_resume,
    checkpoint_saving,
    config_custom_imports,
    config_scopes,
    mmcv_ops,
    mmrazor_cfg_path,
    mmrazor_quantization,
    mmrazor_version_gate,
    torchvision_weights,
)

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
_applied: list[str] = []


def apply() -> list[str]:
    """Applies every workaround that is needed; safe to call more than once.

    Returns:
        The names of the workarounds that this call applied, in order.
    """
    now = []
    for workaround in _WORKAROUNDS:
        name = workaround.__name__.rpartition('.')[2]
        if name not in _applied and workaround.needed():
            workaround.apply()
            _applied.append(name)
            now.append(name)
    if now:
        _log(now)
    return now


def note_applied(workaround: ModuleType) -> None:
    """Note a workaround that is applied later than the others."""
    name = workaround.__name__.rpartition('.')[2]
    _applied.append(name)
    _log([name])


def _log(names: list[str]) -> None:
    logging.getLogger('cankd_mm').info(
        'compatibility workarounds applied: %s', ', '.join(names)
    )


def applied() -> tuple[str, ...]:
    """The names of the workarounds applied in this process, in order."""
    return tuple(_applied)
