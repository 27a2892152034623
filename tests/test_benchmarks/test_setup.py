"""Phases of the set-up, from the lines it prints."""

import re

import pytest

from cankd_mm.benchmarks import setup
from cankd_mm.benchmarks.setup import phases
from tests.commands import ROOT


def test_phase_lasts_until_the_next_headline():
    lines = [
        (100.0, '[setup] Cloning ...\n'),
        (101.0, '[setup] Making .venv with python3.11 (Python 3.11.7) ...\n'),
        (103.0, '[setup]     done in 2 s\n'),
        (104.0, '[setup] Ready in 2 s: python\n'),
        (105.0, '1/4  Training the student alone\n'),
        (120.0, '     iteration   20/376  task loss  1.000\n'),
        (135.0, '2/4  Training the same student with CanKD\n'),
        (195.0, ''),
    ]
    assert phases(lines) == [
        dict(phase='Cloning', seconds=1.0),
        dict(
            phase='Making .venv with python3.11 (Python 3.11.7)', seconds=4.0
        ),
        dict(phase='Training the student alone', seconds=30.0),
        dict(phase='Training the same student with CanKD', seconds=60.0),
        dict(phase='all', seconds=95.0),
    ]


@pytest.mark.parametrize(
    ('path', 'pattern', 'count'),
    [
        # Phases of setup_env.sh, of which `say` and `timed` make the lines.
        ('tools/setup_env.sh', r'^ *timed "Installing|say "\$what \.\.\."', 4),
        ('cankd_mm/quickstart/run.py', r"_say\('\d/4  ", 4),
    ],
)
def test_headlines_are_those_that_are_printed(path, pattern, count):
    text = (ROOT / path).read_text()
    assert len(re.findall(pattern, text, re.MULTILINE)) == count


def test_line_of_the_quickstart_is_a_headline():
    text = (ROOT / 'cankd_mm' / 'quickstart' / 'run.py').read_text()
    for line in re.findall(r"_say\('(\d/4  [^']+)'\)", text):
        assert phases([(0.0, line), (1.0, '')])[0]['seconds'] == 1.0


def test_repository_is_the_one_that_holds_the_package():
    assert (setup.ROOT / 'tools' / 'quickstart.sh').is_file()
