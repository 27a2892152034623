"""Packaging; the dependencies stand in ``requirements/``."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
#: What ``cankd_mm::`` config paths and mim look for inside the package.
MIM_FILES = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Puts configs and tools into ``cankd_mm/.mim``.

    A wheel gets copies. An editable install gets links in the source tree, so
    that a changed config is found without installing again.
    """

    def run(self) -> None:
        """Builds the package, then its ``.mim`` folder."""
        super().run()
        editable = getattr(self, 'editable_mode', False)
        parent = ROOT if editable else Path(self.build_lib)
        mim = parent / 'cankd_mm' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_FILES:
            if editable:
                os.symlink(Path('..', '..', name), mim / name)
            elif (ROOT / name).is_dir():
                ignore = shutil.ignore_patterns('__pycache__')
                shutil.copytree(ROOT / name, mim / name, ignore=ignore)
            else:
                shutil.copy(ROOT / name, mim / name)


def read_version() -> str:
    """The version, without importing the package and torch with it."""
    text = (ROOT / 'cankd_mm' / 'version.py').read_text()
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE)[1]


def read_requirements(name: str) -> list[str]:
    """The requirements of ``requirements/<name>.txt``, without comments."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    lines = (line.partition('#')[0].strip() for line in lines)
    return [line for line in lines if line]


setup(
    name='cankd_mm',
    version=read_version(),
    description='Knowledge distillation for MMDetection and MMSegmentation',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.14',
    packages=find_packages(include=['cankd_mm', 'cankd_mm.*']),
    install_requires=read_requirements('runtime'),
    extras_require={
        'onedl': read_requirements('onedl'),
        'stock': read_requirements('openmmlab'),
        'tests': read_requirements('tests'),
        'optional': read_requirements('optional'),
    },
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)
