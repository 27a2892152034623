"""Functions run once a module has been imported."""

import importlib
import inspect
import sys

import pytest

from cankd_mm.utils import after_import as module
from cankd_mm.utils.after_import import after_import


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a module that nobody has imported."""
    folder = tmp_path / 'waited_for'
    folder.mkdir()
    (folder / '__init__.py').write_text('from waited_for import part\n')
    (folder / 'part.py').write_text('value = 1\n')
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    yield 'waited_for.part'
    sys.meta_path[:] = before
    module._FINDER.actions.clear()
    for name in ('waited_for.part', 'waited_for'):
        sys.modules.pop(name, None)


def test_runs_after_the_import_whoever_imports_it(package):
    seen = []
    after_import(package, lambda: seen.append(sys.modules[package].value))
    assert seen == []
    import waited_for

    # Before the package itself was complete.
    assert seen == [1]
    assert waited_for.part.value == 1


def test_runs_at_once_where_it_is_imported():
    seen = []
    after_import('sys', lambda: seen.append(True))
    assert seen == [True]


def test_runs_once(package):
    seen = []
    after_import(package, lambda: seen.append(True))
    importlib.import_module(package)
    del sys.modules[package]
    importlib.import_module(package)
    assert seen == [True]


def test_module_looks_as_ever(package):
    after_import(package, lambda: None)
    import waited_for.part as part

    assert part.__spec__.loader is part.__loader__
    assert type(part.__loader__).__name__ == 'SourceFileLoader'
    assert inspect.getsource(part) == 'value = 1\n'


def test_failed_import_fails_as_ever(package, tmp_path):
    (tmp_path / 'waited_for' / 'part.py').write_text('raise OSError("no")')
    seen = []
    after_import(package, lambda: seen.append(True))
    with pytest.raises(OSError, match='no'):
        import waited_for.part  # noqa: F401
    assert seen == []


def test_module_that_is_not_there(package):
    after_import('waited_for.nothing', lambda: None)
    with pytest.raises(ModuleNotFoundError):
        import waited_for.nothing  # noqa: F401
