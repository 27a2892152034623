"""Which weights the libraries' metafiles list for which config."""

import re
from importlib.util import find_spec
from pathlib import Path

import yaml

from cankd_mm.utils.config_path import resolve_path

_LIBRARIES = ('mmdet', 'mmseg')
# What names of configs and checkpoints say about a model and its data.
_BACKBONE = re.compile(
    r'(?<![a-z0-9])(r|x|s|resnet|resnext|resnest)-?(18|34|50|101|152|200)'
    r'(?![0-9])'
)
_LETTERS = dict(resnet='r', resnext='x', resnest='s')
_DATA_SETS = re.compile(
    r'coco-stuff10k|coco-stuff164k|voc0712|voc12aug|voc12|ade20k|cityscapes'
    r'|pascal[-_]context(?:[-_]59)?|objects365|openimages|lvis|coco'
)


def file_name(address: str) -> str:
    """The last part of a URL or path."""
    return address.split('?')[0].rstrip('/').rpartition('/')[2]


def listed_configs(weights: str) -> list[Path]:
    """Configs that the libraries' metafiles list with these weights.

    Args:
        weights: A URL. Hosts differ between the libraries' forks, so the file
            name decides; it ends with a hash.
    """
    name = file_name(weights)
    found = []
    for library in _LIBRARIES:
        spec = find_spec(library)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(spec.submodule_search_locations[0]) / '.mim'
        for metafile in root.glob('configs/*/metafile.y*ml'):
            text = metafile.read_text(encoding='utf-8')
            if name in text:  # parsing them all takes seconds
                found += [
                    root / entry['Config']
                    for entry in _entries(text)
                    if file_name(str(entry.get('Weights'))) == name
                ]
    return [path.resolve() for path in found if path.is_file()]


def published_weights(path: str) -> str | None:
    """Return the address that a config's metafile lists, None without one.

    Args:
        path: ``package::path``; a file of one's own has no metafile.

    Raises:
        FileNotFoundError: There is no such config.
    """
    if '::' not in path:
        return None
    config = Path(resolve_path(path, 'teacher'))
    for metafile in config.parent.glob('metafile.y*ml'):
        for entry in _entries(metafile.read_text(encoding='utf-8')):
            is_it = Path(str(entry.get('Config'))).name == config.name
            if is_it and entry.get('Weights'):
                return entry['Weights']
    return None


def _entries(text: str) -> list[dict]:
    """Return the models of a metafile."""
    content = yaml.safe_load(text)
    models = content.get('Models') if isinstance(content, dict) else None
    return [entry for entry in models or () if isinstance(entry, dict)]


def backbones(name: str) -> set[str]:
    """ResNets that a file's name names: r101, x101."""
    return {
        _LETTERS.get(kind, kind) + depth
        for kind, depth in _BACKBONE.findall(_stem(name))
    }


def data_sets(name: str) -> set[str]:
    """Data sets that a file's name names."""
    return set(_DATA_SETS.findall(_stem(name)))


def _stem(name: str) -> str:
    return Path(file_name(name)).stem.lower()
