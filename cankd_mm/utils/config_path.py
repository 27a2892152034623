"""Finds config files by path or by package."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def require_text(path: Any, key: str) -> str:
    """Return a path as text; a comma after it in a config makes a tuple.

    Args:
        path: What the config says.
        key: The config key it stands under, for the error message.

    Raises:
        ValueError: It is no text.
    """
    if isinstance(path, str | os.PathLike):
        return os.fspath(path)
    if (
        isinstance(path, tuple | list)
        and len(path) == 1
        and isinstance(path[0], str)
    ):
        raise ValueError(
            f'{key}={path!r} is a {type(path).__name__} of one path; '
            'expected the path itself. A comma after the value makes it '
            f'one: remove the comma, {key}={path[0]!r}'
        )
    raise ValueError(
        f'{key}={path!r} is a {type(path).__name__}; expected a path: text '
        'in quotation marks'
    )


def resolve_path(path: str, key: str) -> str:
    """Finds a file that is named by its path or as ``package::path``.

    ``package::path`` looks in the configs that the installed package carries
    (``mmdet::retinanet/retinanet_r50_fpn_1x_coco.py``). Other schemes
    (``https://``, ``torchvision://``) are returned as they are.

    Args:
        path: What the config says.
        key: The config key it stands under, for the error message.

    Raises:
        FileNotFoundError: There is no such file, or no such package.
        ValueError: ``path`` is no text.
    """
    path = require_text(path, key)
    if '://' in path:
        return path
    package, separator, relative = path.partition('::')
    if not separator:
        found = Path(path).expanduser()
    else:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                f'{key}={path!r}: no package {package!r} is installed'
            )
        root = Path(spec.submodule_search_locations[0])
        found = root / '.mim' / 'configs' / relative
    if not found.is_file():
        raise FileNotFoundError(
            f'{key}={path!r}: there is no file {found}. Give a path from the '
            f'current directory ({Path.cwd()}), an absolute one, or '
            '`package::path` for a file among the configs of an installed '
            'package'
        )
    return str(found)
