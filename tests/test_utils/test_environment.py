"""The report tells supported, untested and broken environments apart."""

import pytest

from cankd_mm.utils.environment import examine

ONEDL = {
    'torch': '2.13.0+cpu',
    'mmrazor': '1.0.0',
    'numpy': '2.2.6',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmdetection': '3.5.1',
    'onedl-mmsegmentation': '1.4.2',
}
STOCK = {
    'torch': '2.1.2',
    'mmrazor': '1.0.0',
    'mmengine': '0.10.7',
    'mmcv': '2.1.0',
    'mmdet': '3.3.0',
    'mmsegmentation': '1.2.2',
    'setuptools': '80.10.2',
}


def _verdicts(installed: dict) -> tuple[str, dict]:
    stack, findings = examine(installed.get)
    return stack, {f.name: f.verdict for f in findings}


@pytest.mark.parametrize(
    'stack, installed', [('OneDL', ONEDL), ('stock', STOCK)]
)
def test_tried_stacks_are_supported(stack, installed):
    found, verdicts = _verdicts(installed)
    assert found == stack
    assert set(verdicts.values()) == {'supported'}


def test_newer_version_is_untested_and_names_the_tried_one():
    _, findings = examine({**ONEDL, 'torch': '2.15.0'}.get)
    torch = next(f for f in findings if f.name == 'torch')
    assert torch.verdict == 'untested' and '<2.15' in torch.remedy


def test_absent_part_is_broken_and_says_what_to_install():
    _, findings = examine({**ONEDL, 'mmrazor': None}.get)
    mmrazor = next(f for f in findings if f.name == 'mmrazor')
    assert mmrazor.verdict == 'broken'
    assert "pip install 'mmrazor==1.0.0'" in mmrazor.remedy


@pytest.mark.parametrize(
    'installed',
    [ONEDL | STOCK, {**ONEDL, 'onedl-mmcv': None, 'mmcv': '2.1.0'}],
)
def test_two_stacks_at_once_are_broken(installed):
    stack, verdicts = _verdicts(installed)
    assert stack == 'both'
    assert set(verdicts.values()) == {'broken'}


def test_without_any_stack_the_remedy_is_the_quickstart():
    stack, findings = examine({'torch': '2.13.0'}.get)
    assert stack == 'none'
    assert 'tools/quickstart.sh' in findings[0].remedy
