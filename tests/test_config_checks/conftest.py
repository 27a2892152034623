"""Plants a fault into a real config and asks the command line about it."""

import pytest

from tests.commands import ROOT

DETECTOR = 'configs/digits/cankd_retinanet.py'


@pytest.fixture
def lint(check_config, tmp_path, monkeypatch, capsys):
    """Checks a config that inherits a real one and changes one thing.

    Returns the exit code and the findings, as they are printed.
    """
    monkeypatch.chdir(ROOT)

    def run(body: str, *options, base: str | None = DETECTOR):
        config = tmp_path / 'planted.py'
        start = f'_base_ = {str(ROOT / base)!r}\n' if base else ''
        config.write_text(start + body)
        code = check_config([str(config), *map(str, options)])
        output = capsys.readouterr().out
        findings = [
            line.strip()
            for line in output.splitlines()
            if line.startswith('  ')
        ]
        assert (code == 0) == (not _faults(findings)), output
        return code, findings

    return run


def _faults(findings: list[str]) -> list[str]:
    return [f for f in findings if f.startswith(('error', 'warning'))]
