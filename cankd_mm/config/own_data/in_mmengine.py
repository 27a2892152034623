"""The overrides hold in every program that reads a config with MMEngine.

``mim train``, a notebook or another tool reads a config only with MMEngine.
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
from cankd_mm.config.own_data.places import data_roots

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
    make, read = Config.__init__, Config.fromfile
    from_cfg = Runner.from_cfg.__func__

    @functools.wraps(make)
    def made(self, cfg_dict=None, cfg_text=None, filename=None, *args, **kw):
        make(self, cfg_dict, cfg_text, filename, *args, **kw)
        # The file whose reading has imported this package is past `read`. One
        # in Python's style (lazy) is not complete yet.
        if filename and not ConfigDict.lazy:
            _apply(self)

    @functools.wraps(read)
    def complete(*args, **kwargs):
        with overrides_deferred():
            cfg = read(*args, **kwargs)
        _apply(cfg)
        return cfg

    @functools.wraps(from_cfg)
    def agreeing(cls, cfg):
        if isinstance(cfg, Config):
            _apply(cfg)
        return from_cfg(cls, cfg)

    Config.__init__ = made
    Config.fromfile = staticmethod(complete)
    Runner.from_cfg = classmethod(agreeing)


def _apply(cfg: Config) -> None:
    if _is_deferred.get():
        return
    imports = (cfg.get('custom_imports') or {}).get('imports') or ()
    # A recipe of several folders, from anywhere, that knows nothing of this
    # package: its `data_root` need not stand for all of them.
    if 'cankd_mm' in imports or len(set(data_roots(cfg))) < 2:
        apply_dataset_overrides(cfg)
