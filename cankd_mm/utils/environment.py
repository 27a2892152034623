"""Tells which stack is installed, and whether it was tried."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

# What docs/compatibility.md lists as tried, by distribution.
_ANY = {'torch': '>=2.1,<2.15', 'mmrazor': '==1.0.0'}
STACKS = {
    'OneDL': {
        'onedl-mmengine': '==0.10.12',
        'onedl-mmcv': '==2.3.6',
        'onedl-mmdetection': '==3.5.1',
        'onedl-mmsegmentation': '==1.4.2',
        'torch': '>=2.3,<2.15',
        'numpy': '>=2',
    },
    'stock': {
        'mmengine': '==0.10.7',
        'mmcv': '==2.1.0',
        'mmdet': '==3.3.0',
        'mmsegmentation': '==1.2.2',
        'setuptools': '<82',
    },
}
# Of the stock stack, what a distribution may be called instead.
_ALIASES = {'mmcv': ('mmcv', 'mmcv-lite')}
_FORKS = {
    'onedl-mmengine': 'mmengine',
    'onedl-mmcv': 'mmcv',
    'onedl-mmdetection': 'mmdet',
    'onedl-mmsegmentation': 'mmsegmentation',
}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: A distribution, or what else the line is about.
        found: Its version, or None where it is absent.
        verdict: 'supported', 'untested' or 'broken'.
        remedy: What to do about it; empty where there is nothing to do.
    """

    name: str
    found: str | None
    verdict: str
    remedy: str = ''


def installed_version(name: str) -> str | None:
    """The version of a distribution, or None."""
    for alias in _ALIASES.get(name, (name,)):
        try:
            return version(alias)
        except PackageNotFoundError:
            continue
    return None


def examine(
    look_up: Callable[[str], str | None] = installed_version,
) -> tuple[str, list[Finding]]:
    """Compares what is installed with what was tried.

    Args:
        look_up: Name of a distribution to its version.

    Returns:
        The stack ('OneDL', 'stock', 'both' or 'none') and a finding for
        every distribution that matters.
    """
    forks = [name for name in _FORKS if look_up(name)]
    stock = [name for name in _FORKS.values() if look_up(name)]
    if forks and stock:
        return 'both', [
            Finding(
                f'{fork} and {_FORKS[fork]}',
                f'{look_up(fork)} and {look_up(_FORKS[fork])}',
                'broken',
                'they write the same import package: uninstall both, then '
                'install one stack alone',
            )
            for fork in forks
            if _FORKS[fork] in stock
        ] or [
            Finding(
                ', '.join(forks + stock),
                None,
                'broken',
                'parts of two stacks: uninstall them, then install one',
            )
        ]
    if not forks and not stock:
        return 'none', [
            Finding(
                'mmengine, mmcv, mmdet, mmsegmentation',
                None,
                'broken',
                'bash tools/quickstart.sh installs them into .venv; by hand: '
                'MMCV_WITH_OPS=0 pip install -r requirements/onedl.txt',
            )
        ]
    stack = 'OneDL' if forks else 'stock'
    tried = {**_ANY, **STACKS[stack]}
    return stack, [
        _compare(name, look_up(name), tried[name]) for name in sorted(tried)
    ]


def _compare(name: str, found: str | None, tried: str) -> Finding:
    if found is None:
        return Finding(name, None, 'broken', f"pip install '{name}{tried}'")
    if SpecifierSet(tried).contains(found, prereleases=True):
        return Finding(name, found, 'supported')
    return Finding(
        name, found, 'untested', f"tried: pip install '{name}{tried}'"
    )
