"""The overrides hold in every program that reads a config with MMEngine.

``mim train``, a notebook or another tool reads a config with MMEngine alone.
``custom_imports`` of the config imports this package while it is read, and
from then on a config that was read, or that a runner is made of, has its
overrides. Otherwise such a program would train on another data set than the
one that the config names.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from cankd_mm.config.own_data.overrides import apply_dataset_overrides

_is_deferred: ContextVar[bool] = ContextVar('is_deferred', default=False)


@contextmanager
def overrides_deferred() -> Iterator[None]:
    """Read config files as they are, to merge options into them first."""
    token = _is_deferred.set(True)
    try:
        yield
    finally:
        _is_deferred.reset(token)


def follow_overrides() -> None:
    """Apply the overrides where MMEngine reads configs and makes runners."""
    if hasattr(Config.__init__, '__wrapped__'):
        return
    make, from_cfg = Config.__init__, Runner.from_cfg.__func__

    @functools.wraps(make)
    def made(self, cfg_dict=None, cfg_text=None, filename=None, *args, **kw):
        make(self, cfg_dict, cfg_text, filename, *args, **kw)
        # One of imports is not complete yet; its runner is.
        if filename and not _is_deferred.get() and not ConfigDict.lazy:
            apply_dataset_overrides(self)

    @functools.wraps(from_cfg)
    def from_agreeing_cfg(cls, cfg):
        if isinstance(cfg, Config):
            apply_dataset_overrides(cfg)
        return from_cfg(cls, cfg)

    Config.__init__ = made
    Runner.from_cfg = classmethod(from_agreeing_cfg)
