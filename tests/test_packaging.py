"""What the source distribution and the wheel hold, and that it works there."""

import os
import re
import shutil
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from tests.commands import ROOT, run, run_unchecked

PIP = (sys.executable, '-m', 'pip', '--disable-pip-version-check', '--quiet')
OFFLINE = ('--no-deps', '--no-build-isolation', '--no-index')

USE_THE_WHEEL = """
import sys
from pathlib import Path
import cankd_mm
from mmengine.config import Config
from mmengine.hub import get_config, get_model

package = Path(cankd_mm.__file__).parent
assert package.parent == Path(sys.argv[1]), package

file = Path('config.py')
file.write_text("_base_ = ['cankd_mm::digits/cankd_retinanet.py']")
config = Config.fromfile(file)
assert config.model.type == 'mmrazor.FrozenTeacherDistill'
assert 'cankd_mm::' not in config.pretty_text
assert "_scope_='cankd_mm'" not in config.pretty_text.replace(' ', '')

same = get_config('cankd_mm::digits/cankd_retinanet.py')
assert same.model.type == config.model.type
assert Path(same.filename).is_relative_to(package / '.mim')
model = get_model('cankd_mm::digits/cankd_retinanet.py')
print('built:', type(model).__name__)
"""


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A copy of the sources: a build leaves files where it runs."""
    copy = tmp_path_factory.mktemp('checkout') / 'cankd_mm'
    skip = ('.*', 'work_dirs', 'data', 'build', 'dist', '*.egg-info')
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(*skip, '__pycache__')
    )
    return copy


@pytest.fixture(scope='module')
def sdist(checkout, tmp_path_factory) -> Path:
    """The source distribution."""
    folder = tmp_path_factory.mktemp('sdist')
    make_sdist = 'import os, setuptools; os.chdir({!r}); exec(open("setup.py")'
    make_sdist += '.read(), dict(__name__="__main__", __file__="setup.py"))'
    run(
        sys.executable,
        '-c',
        make_sdist.format(str(checkout)),
        '--quiet',
        'sdist',
        '--dist-dir',
        folder,
    )
    (path,) = folder.glob('*.tar.gz')
    return path


@pytest.fixture(scope='module')
def unpacked_sdist(sdist, tmp_path_factory) -> Path:
    """The folder in the source distribution."""
    folder = tmp_path_factory.mktemp('unpacked')
    shutil.unpack_archive(sdist, folder)
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope='module')
def wheel(sdist, tmp_path_factory) -> zipfile.ZipFile:
    """The wheel made from the source distribution, as installers make it."""
    folder = tmp_path_factory.mktemp('wheel')
    run(*PIP, 'wheel', *OFFLINE, '--wheel-dir', folder, sdist)
    (path,) = folder.glob('*.whl')
    with zipfile.ZipFile(path) as file:
        yield file


def project_files(*folders: str) -> set[str]:
    """Configs and tools of the checkout, relative to it."""
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for suffix in ('md', 'pth', 'py', 'sh', 'yml')
        for path in (ROOT / folder).rglob(f'*.{suffix}')
    }


def test_sdist_holds_what_the_checkout_holds(unpacked_sdist, checkout):
    folders = ('cankd_mm', 'configs', 'docs', 'requirements', 'tests', 'tools')
    held, expected = (
        {
            str(path.relative_to(root))
            for folder in ('.', *folders)
            for path in root.glob(
                f'{folder}/{"*" if folder == "." else "**/*"}'
            )
            if path.is_file()
            and not {'__pycache__', '.mim'} & {*path.parts}
            and not path.name.startswith('.')
        }
        for root in (unpacked_sdist, checkout)
    )
    # What packaging itself writes.
    assert held - {'PKG-INFO', 'setup.cfg'} == expected
    assert {
        'CHANGELOG.md',
        'CONTRIBUTING.md',
        'LICENSE',
        'README.md',
        'docs/faq.md',
        'docs/images/quickstart.png',
        'requirements/tests.txt',
        'tests/run.sh',
        'tests/test_packaging.py',
        'tools/dist_train.sh',
    } <= held


def test_links_between_files_of_the_sdist_lead_somewhere(unpacked_sdist):
    pages = [
        page
        for page in unpacked_sdist.rglob('*.md')
        if '.mim' not in page.parts
    ]
    links = {
        (page.relative_to(unpacked_sdist), target.partition('#')[0])
        for page in pages
        for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text())
        if '://' not in target and not target.startswith(('#', 'mailto:'))
    }
    assert len([page for page, _ in links if page.name == 'README.md']) > 15
    broken = [
        (str(page), target)
        for page, target in sorted(links)
        if not (unpacked_sdist / page.parent / target).exists()
    ]
    assert not broken


def test_wheel_holds_configs_and_tools_for_mim(wheel):
    prefix = 'cankd_mm/.mim/'
    held = {
        name.removeprefix(prefix)
        for name in wheel.namelist()
        if name.startswith(prefix)
    }
    assert held == project_files('configs', 'tools') | {'model-index.yml'}


def test_wheel_holds_the_package_and_nothing_else(wheel):
    folders = {name.partition('/')[0] for name in wheel.namelist()}
    version = _metadata(wheel)['Version']
    assert folders == {'cankd_mm', f'cankd_mm-{version}.dist-info'}
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'cankd_mm').rglob('*.py')
        if '.mim' not in path.parts
    }
    assert modules <= set(wheel.namelist())


def test_installing_never_touches_torch_or_openmmlab(wheel):
    required = [
        line
        for line in _metadata(wheel).get_all('Requires-Dist')
        if 'extra ==' not in line
    ]
    assert any(line.startswith('joblib') for line in required)
    for line in required:
        assert not line.startswith(('torch', 'mm', 'onedl', 'opencv'))


def test_both_stacks_are_extras(wheel):
    metadata = _metadata(wheel)
    extras = set(metadata.get_all('Provides-Extra'))
    assert extras == {'onedl', 'stock', 'tests', 'optional'}
    python = set(metadata['Requires-Python'].split(','))
    assert python == {'>=3.10', '<3.14'}


def test_config_paths_and_the_hub_work_from_a_wheel(wheel, tmp_path):
    site = tmp_path / 'site'
    wheel.extractall(site)
    script = tmp_path / 'use.py'
    script.write_text(f'import os; os.chdir({str(tmp_path)!r})\n')
    with script.open('a') as file:
        file.write(USE_THE_WHEEL)
    output = run(sys.executable, script, site, PYTHONPATH=str(site))
    assert 'built: Distilled' in output


def test_an_editable_install_links_configs_and_tools(checkout, tmp_path):
    installed = (*PIP, 'show', 'cankd_mm')
    before = run_unchecked(*installed, PYTHONPATH='')
    # Without --ignore-installed pip would remove the package that is tested.
    target = ('--ignore-installed', '--prefix', tmp_path)
    run(*PIP, 'install', *OFFLINE, *target, '-e', checkout)
    assert run_unchecked(*installed, PYTHONPATH='') == before
    mim = checkout / 'cankd_mm' / '.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).is_symlink()
        assert os.path.samefile(mim / name, checkout / name)


def test_the_model_index_lists_existing_configs():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    for metafile in index['Import']:
        listed = yaml.safe_load((ROOT / metafile).read_text())['Models']
        folder = (ROOT / metafile).parent
        assert {model['Config'] for model in listed} == {
            str(path.relative_to(ROOT)) for path in folder.glob('*.py')
        }


def _metadata(wheel: zipfile.ZipFile):
    (name,) = (n for n in wheel.namelist() if n.endswith('/METADATA'))
    return message_from_bytes(wheel.read(name))
