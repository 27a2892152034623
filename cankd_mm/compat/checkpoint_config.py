"""Parses the config text of a checkpoint instead of executing it.

What breaks: a checkpoint holds the config of its run as Python text, and
``Config.fromstring`` writes that text to a file and executes it. Every caller
in the supported stack hands it the text of a checkpoint:

- ``Runner.resume`` and ``FlexibleRunner.resume``: ``meta['config']``;
- ``BaseInferencer._init_model`` of mmengine, and with it ``DetInferencer``
  and ``MMSegInferencer``: ``message_hub['runtime_info']['cfg']``, else
  ``meta['cfg']``;
- ``RuntimeInfo.config`` of MMRazor: ``runtime_info['cfg']`` of the message
  hub, which a resumed run takes from its checkpoint.

So whoever wrote the file runs code here, although the file holds tensors and
text only and ``torch.load(weights_only=True)`` accepts it.

Here: ``Config.fromstring`` parses literals and calls of ``dict``, in every
format (:mod:`cankd_mm.checkpoint.config_text`). This is the one place that
is replaced, for the whole process. Code that has to execute the text of a
config writes it to a file and calls ``Config.fromfile``.

Upstream: no issue that we know of.

Probe: whether ``Config.fromstring`` writes a text to a file, which it does in
order to execute it, or computes what the text says.

Delete when: mmengine reads the config of a checkpoint without executing it.
"""

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from importlib.util import find_spec
from types import SimpleNamespace

from cankd_mm.checkpoint.config_text import parse_config_text

_source: ContextVar[str] = ContextVar('source', default='config text')


def needed() -> bool:
    """Whether mmengine executes the text of a config."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.config import Config, config

    class Written(Exception):
        pass

    def write(*args, **kwargs):
        raise Written

    tempfile = config.__dict__.get('tempfile')
    config.tempfile = SimpleNamespace(
        NamedTemporaryFile=write, TemporaryDirectory=write
    )
    try:
        return Config.fromstring('executed = 1 + 1', '.py').executed == 2
    except Written:
        return True
    except ValueError:
        return False
    finally:
        if tempfile is None:
            del config.tempfile
        else:
            config.tempfile = tempfile


def apply() -> None:
    """Makes ``Config.fromstring`` parse."""
    from mmengine.config import Config

    @functools.wraps(Config.fromstring)
    def parse(cfg_str: str, file_format: str) -> Config:
        return parse_config_text(cfg_str, _source.get(), file_format)

    Config.fromstring = staticmethod(parse)


@contextlib.contextmanager
def config_text_of(source: str) -> Iterator[None]:
    """Name the file that config texts come from meanwhile, for messages.

    Args:
        source: The file, and where in it the text stands.
    """
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)
