"""Runs a function once a module has been imported, whoever imports it."""

import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Finder(MetaPathFinder):
    """Finds nothing itself; wraps the loaders of the modules it waits for."""

    def __init__(self) -> None:
        self.actions: dict[str, Callable[[], None]] = {}

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname not in self.actions:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, 'find_spec', None)
            if finder is self or find is None:
                continue
            spec = find(fullname, path, target)
            if spec is None:
                continue
            if spec.loader is not None:
                action = self.actions.pop(fullname)
                spec.loader = _Loader(spec.loader, action)
            return spec
        return None


class _Loader(Loader):
    """Loads as another loader does, then calls a function."""

    def __init__(self, loader: Loader, action: Callable[[], None]) -> None:
        self._loader = loader
        self._action = action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # As if this loader had never been there.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._action()


_FINDER = _Finder()


def after_import(name: str, action: Callable[[], None]) -> None:
    """Call a function after the import of a module, or now if it is there.

    Args:
        name: Full name of the module. Nothing is imported for it.
        action: Called once.
    """
    if name in sys.modules:
        action()
        return
    if _FINDER not in sys.meta_path:
        # First: it asks the others itself.
        sys.meta_path.insert(0, _FINDER)
    _FINDER.actions[name] = action
