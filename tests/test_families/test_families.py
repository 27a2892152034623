"""Ten families of all kinds train under a teacher, and predict.

``python -m tests.families`` tries them all.
"""

import subprocess
import sys

from tests.commands import ROOT
from tests.families import faults, report

FAMILIES = (
    'mmdet/detr',
    'mmdet/faster_rcnn',
    'mmdet/fcos',
    'mmdet/mask_rcnn',
    'mmdet/retinanet',
    'mmdet/rtmdet',
    'mmdet/yolox',
    'mmseg/ddrnet',
    'mmseg/pspnet',
    'mmseg/segformer',
)


def _try(*arguments, timeout: float = 900) -> subprocess.CompletedProcess:
    command = (sys.executable, '-m', 'tests.families', *arguments)
    return subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_families_train_and_predict(tmp_path):
    # One run, which imports the libraries once.
    file = tmp_path / 'records.json'
    ran = _try('--json', file, '--only', *FAMILIES)
    assert ran.returncode == 0, ran.stderr[-3000:]
    records = report.load(file)
    assert sorted(records) == sorted(FAMILIES)
    for family, record in records.items():
        assert faults.succeeded(record['plain']), (family, record)
        assert faults.succeeded(record['distilled']), (family, record)
        assert record['config'].startswith(family.replace('/', '::'))
        assert record['recorder']
    assert ran.stderr.endswith('10 families: 10 train; no failure\n')
    for family in FAMILIES:
        assert report.row(records[family]) in ran.stdout


def test_an_interrupted_run_goes_on(tmp_path):
    file = tmp_path / 'records.json'
    record = dict(
        family='mmdet/fcos',
        config='mmdet::fcos/a.py',
        recorder='neck',
        config_error='',
        plain={},
        distilled={},
    )
    report.save(file, {'mmdet/fcos': record})
    ran = _try('--json', file, '--resume', '--only', 'fcos')
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert report.load(file) == {'mmdet/fcos': record}


def test_a_family_that_is_not_there():
    ran = _try('--only', 'retinanot')
    assert ran.returncode == 1
    assert 'no such family: retinanot' in ran.stderr
