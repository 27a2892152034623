"""What the set-up does about torch and torchvision; nothing is installed."""

import pytest

from tests.commands import ROOT, run_unchecked

# Stand-ins for everything that would change an environment.
STUBS = """
source tools/setup_env.sh
pip_install() {{ echo "install: $*"; {pip}; }}
has_torchvision() {{ {has}; }}
torchvision_works() {{ {works}; }}
python() {{ echo "python: $*"; }}
PYTHON=python
install_torch '{found}'
"""
REMOVED = 'python: -m pip uninstall --quiet --yes torchvision'


def install_torch(
    found: str, has=False, works=True, pip=True
) -> tuple[int, str]:
    answers = dict(has=has, works=works, pip=pip)
    answers = {name: str(bool(yes)).lower() for name, yes in answers.items()}
    script = STUBS.format(found=found, **answers)
    return run_unchecked('bash', '-euo', 'pipefail', '-c', script)


def test_both_are_installed_in_one_call():
    code, output = install_torch('')
    assert code == 0
    assert 'install: torch>=2.1,<2.15 torchvision' in output
    assert output.count('install: ') == 1 and 'warning' not in output


def test_pair_that_does_not_fit_is_taken_apart():
    code, output = install_torch('', works=False)
    assert code == 0
    assert REMOVED in output
    assert 'warning: torchvision was removed again' in output


@pytest.mark.parametrize('torch', ['2.1.2', '2.9.1+cu128', '2.13.0+cpu'])
def test_kept_torch_gets_the_torchvision_that_fits(torch):
    code, output = install_torch(torch)
    assert code == 0
    assert f'Keeping torch {torch}' in output
    assert f'install: torch=={torch} torchvision' in output
    assert 'warning' not in output


def test_torchvision_of_another_build_is_removed_again():
    code, output = install_torch('2.13.0+cpu', works=False)
    assert code == 0
    assert REMOVED in output and 'removed again' in output


def test_no_torchvision_fits():
    code, output = install_torch('2.13.0a0+git1234', pip=False)
    assert code == 0
    assert 'no torchvision fits torch 2.13.0a0+git1234' in output
    assert REMOVED not in output


@pytest.mark.parametrize('works', [True, False])
def test_torchvision_of_the_user_stays(works):
    code, output = install_torch('2.13.0', has=True, works=works)
    assert code == 0
    assert 'install: ' not in output and REMOVED not in output
    assert ('warning' in output) == (not works)


@pytest.mark.parametrize('torch', ['2.15.0', '2.20.1+cu140', '3.0.0'])
def test_newer_torch_is_a_warning(torch):
    code, output = install_torch(torch, has=True)
    assert code == 0
    assert f'torch {torch} is newer than what was tried' in output
    assert f'Keeping torch {torch}' in output


@pytest.mark.parametrize('torch', ['1.13.1', '2.0.1', '2.0.0+cu118'])
def test_older_torch_is_refused(torch):
    code, output = install_torch(torch)
    assert code == 1
    assert f'torch {torch} is in this environment' in output
    assert 'torch>=2.1,<2.15' in output


def test_bounds_are_those_of_the_report():
    from cankd_mm.utils.environment import _ANY, STACKS

    text = (ROOT / 'tools' / 'setup_env.sh').read_text()
    assert f"TORCH='torch{_ANY['torch']}'" in text
    assert STACKS['OneDL']['torch'].endswith(_ANY['torch'].split(',')[1])
