"""The published weights of a config that an installed package carries."""

from pathlib import Path

import yaml

from cankd_mm.utils.config_path import resolve_path


def published_weights(path: str) -> str | None:
    """Return the address that a config's metafile lists, None without one.

    Args:
        path: ``package::path``.
    """
    if '::' not in path:
        return None
    config = Path(resolve_path(path, 'teacher'))
    for metafile in config.parent.glob('metafile.y*ml'):
        text = metafile.read_text(encoding='utf-8')
        for entry in yaml.safe_load(text).get('Models') or ():
            name = Path(str(entry.get('Config'))).name
            if name == config.name and entry.get('Weights'):
                return entry['Weights']
    return None
