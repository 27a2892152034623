"""Reads config files as every command does."""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from cankd_mm.config.own_data.in_mmengine import overrides_deferred
from cankd_mm.config.own_data.overrides import apply_dataset_overrides
from cankd_mm.utils.config_path import resolve_path


def config_from_file(
    path: str | Path, key: str, options: dict[str, Any] | None = None
) -> Config:
    """Reads a config whose data sets, evaluators and heads agree.

    Args:
        path: A file, or ``package::path`` for one that a package carries.
        key: What names the file, for error messages.
        options: Overrides, as ``--cfg-options`` gives them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The names at the config's top contradict each other; see
            :func:`~cankd_mm.config.own_data.apply_dataset_overrides`.
    """
    with overrides_deferred():
        config = Config.fromfile(resolve_path(str(path), key))
    if options:
        config.merge_from_dict(options)
    apply_dataset_overrides(config)
    return config
