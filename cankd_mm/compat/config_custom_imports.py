"""Lets several bases of a config have imports of their own.

What breaks: mmengine refuses two bases that define the same key. A student's
recipe may have ``custom_imports`` for modules of its user, and this package's
base has them, too: ``KeyError: Duplicate key is not allowed among bases``.

Here: ``custom_imports`` of all bases are put together, in the order of the
bases. What the config itself says is merged over that as before, and any
other key that two bases define is still an error.

Upstream: no issue that we know of.

Probe: what the function that reads a file says of duplicate keys.

Delete when: mmengine merges the imports of bases.
"""

import functools
import inspect
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

_KEY = 'custom_imports'


@dataclass
class _Bases:
    """What is known of the bases of the file that is being read."""

    left: int = 0
    found: list[dict[str, Any]] = field(default_factory=list)


_current: ContextVar[_Bases | None] = ContextVar('bases', default=None)


def needed() -> bool:
    """Whether mmengine refuses the imports of a second base."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.config import Config

    read = Config._file2dict
    # No file is made for it: an import may happen where none can be.
    try:
        refuses = 'Duplicate key is not allowed' in inspect.getsource(read)
    except (OSError, TypeError):
        return False
    return refuses and not hasattr(read, '__wrapped__')


def apply() -> None:
    """Hands the imports of all bases over with the last one."""
    from mmengine.config import Config

    read, list_bases = Config._file2dict, Config._get_base_files

    @functools.wraps(list_bases)
    def counted(filename):
        files = list_bases(filename)
        bases = _current.get()
        if bases is not None:
            bases.left = len(files)
        return files

    @functools.wraps(read)
    def merged(*args, **kwargs):
        parent = _current.get()
        token = _current.set(_Bases())
        try:
            content, *others = read(*args, **kwargs)
        finally:
            _current.reset(token)
        # Not a file that a base, or the config itself, reads in its code.
        if parent is not None and parent.left > 0:
            _hold_back(content, parent)
        return content, *others

    Config._get_base_files = staticmethod(counted)
    Config._file2dict = staticmethod(merged)


def _hold_back(content: dict[str, Any], parent: _Bases) -> None:
    """Take the imports out of a base; the last one gets those of all."""
    parent.left -= 1
    if isinstance(content.get(_KEY), dict):
        parent.found.append(content.pop(_KEY))
    if not parent.left and parent.found:
        content[_KEY] = _together(parent.found)


def _together(found: list[dict[str, Any]]) -> dict[str, Any]:
    imports: list[str] = []
    for part in found:
        modules = part.get('imports') or []
        imports += [modules] if isinstance(modules, str) else modules
    together = {key: value for part in found for key, value in part.items()}
    if imports:
        together['imports'] = list(dict.fromkeys(imports))
    # One base that needs its modules is enough.
    failing = [part.get('allow_failed_imports', False) for part in found]
    if 'allow_failed_imports' in together:
        together['allow_failed_imports'] = all(failing)
    return together
