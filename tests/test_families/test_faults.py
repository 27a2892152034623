"""Whose fault a failure is."""

import pytest

from tests.families import faults

OK = dict(build='ok', loss='ok', prediction='ok')


def _outcome(plain=OK, distilled=OK, config_error='', **record):
    return faults.outcome(
        dict(
            family='mmdet/some',
            config_error=config_error,
            plain=plain,
            distilled=distilled,
            **record,
        )
    )


def test_what_was_seen_to_work_trains():
    assert _outcome().result == faults.TRAINS
    assert _outcome(dict(OK, loss='E: no')).result == faults.TRAINS


@pytest.mark.parametrize('stage', OK)
def test_the_distilled_student_fails_by_itself(stage):
    found = _outcome(distilled=dict(OK, **{stage: 'ValueError: level 0'}))
    assert found == (stage, 'ours', 'ValueError: level 0')


def test_a_stage_that_was_not_reached_is_no_success():
    assert _outcome(distilled=dict(build='ok')).fault == 'ours'
    assert _outcome(distilled={}, ended='exit code -9: ').fault == 'ours'


def test_the_plain_student_fails_too():
    failing = dict(OK, loss='TypeError: labels')
    found = _outcome(failing, dict(OK, loss='TypeError: labels'))
    assert found == ('loss', 'plain', 'TypeError: labels')


def test_the_dry_run_quotes_the_error_of_the_plain_student():
    found = _outcome(
        dict(OK, loss='RuntimeError: sizes 4 and 8'),
        dict(build='TeacherFault: on an image: sizes 4 and 8. Set'),
    )
    assert (found.result, found.fault) == ('build', 'plain')


def test_the_dry_run_fails_where_the_plain_student_fails_later():
    found = _outcome(
        dict(OK, prediction='RuntimeError: nms'),
        dict(build='TeacherFault: something else'),
    )
    assert found.fault == 'ours'


def test_the_plain_student_fails_before_anything_is_recorded():
    found = _outcome(dict(build='ok', loss='KeyError: a'), {})
    assert found == ('loss', 'plain', 'KeyError: a')


@pytest.mark.parametrize(
    ('error', 'package'),
    [
        ('RuntimeError: lap is not installed, please install it', 'lap'),
        ("ModuleNotFoundError: No module named 'torchvision'", 'torchvision'),
        ("ModuleNotFoundError: No module named 'a.b'", 'a.b'),
        ('ImportError: Please install Detectron2 first', 'detectron2'),
        ('NotImplementedError: mmcv operator `a_b` needs', 'compiled mmcv'),
        ('ValueError: a lap of the track', ''),
    ],
)
def test_missing_packages(error, package):
    assert faults.missing_package(error) == package
    fault = _outcome(dict(build=error), {}).fault
    assert fault == (f'needs {package}' if package else 'config')


def test_a_config_that_cannot_be_read():
    found = _outcome({}, {}, 'FileNotFoundError: a base')
    assert found == ('config', 'config', 'FileNotFoundError: a base')
    found = _outcome({}, {}, "No module named 'mmpretrain'")
    assert found.fault == 'needs mmpretrain'


def test_a_family_that_does_not_apply(monkeypatch):
    monkeypatch.setitem(faults.NOT_APPLICABLE, 'mmdet/some', 'clips')
    failed = dict(build='TeacherFault: tensor mode')
    assert _outcome(OK, failed) == ('build', 'not applicable', 'clips')
    assert _outcome().result == faults.TRAINS


@pytest.mark.parametrize('plain', [{}, dict(build='ok'), OK])
def test_a_timeout(plain):
    found = _outcome(plain, {}, ended='timeout', running='plain loss')
    assert found.fault == 'timeout'


def test_an_error_is_one_line():
    assert faults.described(ValueError('a\n  b')) == 'ValueError: a b'
