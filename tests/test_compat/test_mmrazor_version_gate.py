"""MMRazor's bound on mmcv's version."""

import sys

import mmcv
import pytest

from cankd_mm.compat import mmrazor_version_gate as gate


@pytest.fixture
def newer_mmcv(monkeypatch):
    monkeypatch.setattr(mmcv, '__version__', '2.9.9')
    monkeypatch.delitem(sys.modules, 'mmrazor')


def test_an_accepted_version_is_shown_during_the_import_only(
    newer_mmcv, monkeypatch
):
    shown = []
    monkeypatch.setattr(
        gate, 'import_module', lambda name: shown.append(mmcv.__version__)
    )
    gate.apply()
    assert shown == [gate.NEWEST_ACCEPTED]
    assert mmcv.__version__ == '2.9.9'


def test_the_version_is_restored_when_the_import_fails(
    newer_mmcv, monkeypatch
):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(gate, 'import_module', fail)
    with pytest.raises(ImportError):
        gate.apply()
    assert mmcv.__version__ == '2.9.9'


def test_needed_for_a_newer_mmcv_that_mmrazor_refuses(newer_mmcv):
    assert gate.needed()


def test_not_needed_for_a_version_that_mmrazor_accepts(
    newer_mmcv, monkeypatch
):
    monkeypatch.setattr(mmcv, '__version__', gate.NEWEST_ACCEPTED)
    assert not gate.needed()


def test_not_needed_for_a_version_that_is_too_old(newer_mmcv, monkeypatch):
    monkeypatch.setattr(mmcv, '__version__', '1.7.0')
    assert not gate.needed()


def test_not_needed_once_mmrazor_accepts_newer_versions(
    newer_mmcv, monkeypatch
):
    monkeypatch.setattr(gate, 'import_module', lambda name: None)
    assert not gate.needed()


def test_not_needed_when_mmrazor_is_imported(monkeypatch):
    monkeypatch.setattr(mmcv, '__version__', '2.9.9')
    assert not gate.needed()


def test_not_needed_without_mmrazor(monkeypatch):
    monkeypatch.setattr(gate, 'find_spec', lambda name: None)
    monkeypatch.delitem(sys.modules, 'mmrazor')
    assert not gate.needed()
