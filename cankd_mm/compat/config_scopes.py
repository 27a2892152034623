"""Lets ``mmseg::`` and ``cankd_mm::`` config paths work on both stacks.

What breaks: mmengine finds ``package::path`` configs with a fixed table from
module to distribution. It says ``mmseg`` is in ``mmsegmentation``, which the
OneDL fork calls otherwise ("mmsegmentation is not installed"), and it refuses
modules it does not list, as ours. A third package's ``package`` also becomes
the registry scope of the config, but ours are written in the scopes of mmdet,
mmseg and mmrazor. And it looks for a file in every metafile of its package
first, half a second for each base, although none of them lists it by the name
that bases use.

Upstream: https://github.com/open-mmlab/mmengine/issues/1581.

Probe: the table, compared with the installed modules and distributions.

Delete when: mmengine finds config packages by module name and takes any.
"""

import functools
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

_OURS = 'cankd_mm'
#: No distribution has this name, so mmengine looks a module up by it, which
#: finds the folder in editable installs and checkouts too.
_OUR_MODULE = 'cankd_mm.version'


def needed() -> bool:
    """Whether mmengine's table misses an installed config package."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.config.utils import MODULE2PACKAGE

    return _OURS not in MODULE2PACKAGE or bool(_misnamed())


def apply() -> None:
    """Completes the table and keeps our configs in their own scopes."""
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    # mmengine looks a module up where no distribution has the name.
    MODULE2PACKAGE.update({module: module for module in _misnamed()})
    if _OURS in MODULE2PACKAGE:
        return
    MODULE2PACKAGE[_OURS] = _OUR_MODULE
    get_cfg_path = Config._get_cfg_path

    @functools.wraps(get_cfg_path)
    def found_at_once(cfg_path, filename):
        package, _, relative = cfg_path.rpartition('::')
        path, scope = _file_of(package, relative), package
        if path is None:
            path, scope = get_cfg_path(cfg_path, filename)
        return path, None if scope == _OURS else scope

    Config._get_cfg_path = staticmethod(found_at_once)


@functools.cache
def _file_of(package: str, relative: str) -> str | None:
    """Return the path of a package's config; None where it is not there."""
    spec = find_spec(package) if package.isidentifier() else None
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, '.mim', 'configs', relative)
        if path.is_file():
            return str(path)
    return None


def _misnamed() -> list[str]:
    """Installed modules whose distribution has another name than listed."""
    from mmengine.config.utils import MODULE2PACKAGE

    return [
        module
        for module, distribution in MODULE2PACKAGE.items()
        if distribution not in (module, _OUR_MODULE)
        and find_spec(module) is not None
        and not _is_distribution(distribution)
    ]


def _is_distribution(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
