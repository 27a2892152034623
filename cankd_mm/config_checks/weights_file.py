"""Reads the weights that a config names, for the checks."""

import difflib
import functools
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import checkpoint
from torch import Tensor

from cankd_mm.checkpoint.file_kind import require_checkpoint_file
from cankd_mm.config_checks.finding import (
    Finding,
    error,
    info,
    not_checked,
)
from cankd_mm.config_checks.published_weights import file_name
from cankd_mm.utils.checkpoint import (
    find_checkpoint,
    read_checkpoint,
    trained_by,
    weights_of,
)
from cankd_mm.utils.config_path import require_text

# What reading a file named in a config raises: it is not there, may not be
# read, is something else, is damaged, holds code.
FAILURES = (OSError, ValueError)
# Schemes of MMEngine whose addresses stand in a list, and what reads it.
_LISTS = {
    'torchvision': 'get_torchvision_models',
    'modelzoo': 'get_torchvision_models',
    'open-mmlab': 'get_external_models',
    'openmmlab': 'get_external_models',
    'mmcls': 'get_mmcls_models',
}


def own_file(path: str, key: str) -> str | None:
    """Find a file that this package reads: a path or ``package::path``.

    Args:
        path: The value in the config.
        key: The config key.

    Returns:
        The file's path. None for an address that was not downloaded before:
        nothing is downloaded for a check.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: ``path`` is no text, or leads to no regular file.
    """
    found = find_checkpoint(path, key)
    return _cached(found) if '://' in found else found


def mmengines_file(path: str, key: str) -> str | None:
    """Find a file that MMEngine reads, which knows no ``package::path``.

    Args:
        path: The value in the config.
        key: The config key.

    Returns:
        As :func:`own_file`.

    Raises:
        FileNotFoundError: There is no such file, or MMEngine knows no weights
            of this name (``torchvision://resnet5``).
        ValueError: ``path`` is no text, or leads to no regular file.
    """
    path = require_text(path, key)
    if '://' in path:
        return _cached(_address(path, key))
    found = os.path.expanduser(path)
    if os.path.lexists(found):
        require_checkpoint_file(found, key)
        return found
    raise FileNotFoundError(
        f'{key}={path!r}: there is no file {found}. Give an absolute path, '
        f'or one from the current directory ({Path.cwd()})'
    )


def require_load_from(cfg: Config) -> None:
    """Raise if ``load_from`` is no readable checkpoint.

    For runs without checks: MMEngine would name neither key nor file, after
    the model is built.

    Args:
        cfg: Of a training run.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is something else, damaged, or holds code.
    """
    key, path = 'load_from', cfg.get('load_from')
    file = mmengines_file(path, key) if path else None
    if file is not None:
        read_checkpoint(file, key)


def read_weights(file: str, key: str) -> dict[str, Tensor]:
    """Return the weights in a local file.

    Args:
        file: What :func:`own_file` or :func:`mmengines_file` returned.
        key: The config key.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no checkpoint, damaged, or holds code.
    """
    return weights_of(read_checkpoint(file, key), file, key)


def own_weights(
    path: str, key: str
) -> tuple[dict[str, Tensor] | None, Finding | None]:
    """Read the weights that this package reads, or find why not.

    Args:
        path: The value in the config: a path, ``package::path`` or an
            address.
        key: The config key.

    Returns:
        The weights, None for an address that was not downloaded before and
        where there is a finding. A file that a training here has yet to write
        is an info.
    """
    try:
        file = own_file(path, key)
        return (None if file is None else read_weights(file, key)), None
    except FileNotFoundError as failure:
        if trained_by(path):
            return None, info(key, f'there is no file {path} yet')
        return None, as_error(failure, key)
    except FAILURES as failure:
        return None, as_error(failure, key)


def not_downloaded(address: str, key: str) -> Finding:
    """Make a finding of weights that are not on this machine.

    Args:
        address: Where they are.
        key: The config key.
    """
    return not_checked(
        key,
        f'the weights at {address}, which are downloaded by training',
        '',
        'Download them, and name the file, to have them checked',
    )


def as_error(failure: Exception, key: str) -> Finding:
    """Make a finding of one of :data:`FAILURES`.

    Args:
        failure: Its message begins with the key.
        key: The config key.
    """
    text = str(failure)
    for start in (f'{key}=', f'{key}: '):
        text = text.removeprefix(start)
    return error(key, text)


def _address(path: str, key: str) -> str:
    """Return where a name of one of MMEngine's lists leads."""
    scheme, _, name = path.partition('://')
    if scheme not in _LISTS:
        return path
    names = _listed(_LISTS[scheme])
    if name in names:
        return names[name]
    close = difflib.get_close_matches(name, names, n=5) or sorted(names)[:5]
    known = ', '.join(f'{scheme}://{other}' for other in close)
    raise FileNotFoundError(
        f'{key}={path!r}: MMEngine knows no weights of this name. It knows '
        f'{known}, and others'
    )


@functools.cache
def _listed(reader: str) -> dict[str, str]:
    names = dict(getattr(checkpoint, reader)())
    for old, new in checkpoint.get_deprecated_model_names().items():
        if new in names:
            names[old] = names[new]
    return names


def _cached(address: str) -> str | None:
    cached = Path(torch.hub.get_dir(), 'checkpoints', file_name(address))
    return str(cached) if cached.is_file() else None
