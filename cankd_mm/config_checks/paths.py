"""Paths are text."""

from collections.abc import Iterator, Mapping

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error
from cankd_mm.utils.config_path import require_text
from cankd_mm.utils.config_walk import dicts

# Weights and `cfg_path` are looked at where they are read.
_PATHS = ('ann_file', 'data_root', 'proposal_file', 'work_dir')


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find paths that a comma after them has made a tuple of."""
    for key, part in dicts(examined.cfg._cfg_dict):
        named = [(name, part[name]) for name in _PATHS if name in part]
        prefix = part.get('data_prefix')
        if isinstance(prefix, Mapping):
            named += [(f'data_prefix.{k}', v) for k, v in prefix.items()]
        for name, value in named:
            if isinstance(value, tuple) and len(value) == 1:
                yield from _no_text(f'{key}.{name}'.lstrip('.'), value)


def _no_text(key: str, value: tuple) -> Iterator[Finding]:
    try:
        require_text(value, key)
    except ValueError as failure:
        yield error(key, str(failure).removeprefix(f'{key}='))
