"""Reads what lies beside labels in YOLO's format: class names and splits."""

from dataclasses import dataclass, field
from math import prod
from pathlib import PurePosixPath
from typing import Any

import yaml

from cankd_mm.datasets.preparation.own.faults import Faults, Kind
from cankd_mm.datasets.preparation.own.match import ImageIndex
from cankd_mm.datasets.preparation.own.scan import Contents, nearest_first
from cankd_mm.datasets.preparation.own.split_lists import (
    LISTED_WITHOUT_IMAGE,
    read_image_list,
)
from cankd_mm.datasets.preparation.own.split_words import split_word
from cankd_mm.datasets.preparation.own.text import decode_text, read_lines

BROKEN_NAMES = Kind(
    'file',
    'with class names that cannot be read',
    'write data.yaml anew, with names: [first, second, ...]',
)
LOST_SPLIT = Kind(
    'split',
    'of a yaml file, without images below the named path',
    'write the path of the images, seen from the yaml file',
)
#: Files with one class name a line, as label programs call them.
_NAMES = (
    'classes.txt obj.names labels.txt names.txt class_names.txt '
    'classnames.txt predefined_classes.txt _darknet.labels'
)
_NAME_FILES = frozenset(_NAMES.split())


@dataclass
class YoloNames:
    """What the files beside the labels say.

    Attributes:
        classes: Names of the classes, in order; empty where no file has any.
        source: The file that names them.
        splits: The images of each split, where a yaml file has them.
        columns: Numbers on a line of a pose label; 0 where there are no key
            points.
        files: Text files that hold names or lists, and no labels.
        conflicts: Other files, with other names.
    """

    classes: list[str] = field(default_factory=list)
    source: str = ''
    splits: dict[str, list[str]] = field(default_factory=dict)
    columns: int = 0
    files: set[str] = field(default_factory=set)
    conflicts: list[str] = field(default_factory=list)


def is_name_file(name: str) -> bool:
    """Return whether a file holds class names, by its own name."""
    path = PurePosixPath(name)
    return path.name.lower() in _NAME_FILES or path.suffix.lower() == '.names'


def read_names(
    contents: Contents, index: ImageIndex, faults: Faults
) -> YoloNames:
    """Read a yaml file with `names`, or a list of class names.

    Args:
        contents: The files of the data.
        index: The images.
        faults: Where files that cannot be read are added.

    Returns:
        Names and splits. Of several files the one counts that is nearest to
        the root of the data.
    """
    found = None
    for name in nearest_first(contents.of('.yaml', '.yml')):
        content = _load(contents, name, faults)
        classes = _class_names(content.get('names'))
        if found and classes:
            if classes != found.classes:
                found.conflicts.append(name)
        elif classes:
            found = YoloNames(classes, name)
            _read_splits(contents, index, name, content, found, faults)
            found.columns = _pose_columns(content)
        elif 'names' in content:
            faults.add(BROKEN_NAMES, f'{name} (names)')
    for name in nearest_first(n for n in _all(contents) if is_name_file(n)):
        try:
            lines = [n for n in read_lines(contents.root / name) if n]
        except OSError as error:
            faults.add(BROKEN_NAMES, f'{name} ({type(error).__name__})')
            continue
        if found is None and lines:
            found = YoloNames(lines, name)
        elif lines and lines != found.classes:
            found.conflicts.append(name)
    return found or YoloNames()


def _all(contents: Contents) -> list[str]:
    return [name for names in contents.others.values() for name in names]


def _load(contents: Contents, name: str, faults: Faults) -> dict[str, Any]:
    try:
        text = decode_text((contents.root / name).read_bytes())
        # Leaves every value a string: `no` is a name here, not False.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (OSError, yaml.YAMLError, RecursionError) as error:
        faults.add(BROKEN_NAMES, f'{name} ({type(error).__name__})')
        return {}
    return content if isinstance(content, dict) else {}


def _class_names(names: Any) -> list[str]:
    """Return the names of a list, or of a dict with numbers as keys."""
    if isinstance(names, dict):
        try:
            numbers = {int(key): value for key, value in names.items()}
        except ValueError:
            return []
        if not numbers or min(numbers) < 0 or max(numbers) > 100_000:
            return []
        names = [
            numbers.get(number, f'class_{number}')
            for number in range(max(numbers) + 1)
        ]
    if not isinstance(names, list):
        return []
    if not all(isinstance(name, str) for name in names):
        return []
    return [
        name.strip() or f'class_{number}' for number, name in enumerate(names)
    ]


def _pose_columns(content: dict[str, Any]) -> int:
    shape = content.get('kpt_shape')
    try:
        return 5 + prod(int(size) for size in shape) if shape else 0
    except (TypeError, ValueError):
        return 0


def _read_splits(
    contents: Contents,
    index: ImageIndex,
    name: str,
    content: dict[str, Any],
    found: YoloNames,
    faults: Faults,
) -> None:
    base, stated = content.get('path'), {}
    for key, value in content.items():
        split = split_word(key)
        if not split or not value:
            continue
        images: dict[str, None] = {}
        for path in value if isinstance(value, list) else [value]:
            if not isinstance(path, str):
                continue
            parts = _parts(name, base, path)
            images |= dict.fromkeys(_in_folder(contents, parts))
            text = _of_tail(contents.of('.txt'), parts)
            if not images and text:
                found.files.add(text)
                listed, missing = read_image_list(
                    contents, text, index, split, index
                )
                images |= dict.fromkeys(listed)
                faults.extend(LISTED_WITHOUT_IMAGE, missing)
        if images and split not in found.splits:
            found.splits[split] = list(images)
            stated[split] = key, value
        elif not images:
            faults.add(LOST_SPLIT, f'{name} {key}: {value}')
    # The end of a path that is not there may fit the folder of train.
    for split in {'val', 'test'} & set(stated):
        key, value = stated[split]
        if (
            found.splits[split] == found.splits.get('train')
            and value != stated['train'][1]
        ):
            faults.add(LOST_SPLIT, f'{name} {key}: {value}')
            del found.splits[split]


def _parts(yaml_file: str, base: Any, path: str) -> list[str]:
    """Return the folders of a path, as far as they may be real ones.

    The path may be that of another computer, or one that is seen from a
    folder that is not there, as Roboflow's `../train/images`.
    """
    parts = list(PurePosixPath(yaml_file).parts[:-1])
    if isinstance(base, str):
        parts += base.replace('\\', '/').split('/')
    parts += path.replace('\\', '/').split('/')
    return [part for part in parts if part not in ('', '.', '..')]


def _in_folder(contents: Contents, parts: list[str]) -> list[str]:
    """Return the images of the folder that fits the end of a path best."""
    folders = {
        '/'.join(PurePosixPath(name).parts[:depth])
        for name in contents.images
        for depth in range(1, len(PurePosixPath(name).parts))
    }
    folder = _of_tail(sorted(folders), parts)
    if folder is None:
        # `train: .`, or the name of the root itself.
        is_root = not parts or parts[-1] == contents.root.name
        return list(contents.images) if is_root else []
    return [n for n in contents.images if n.startswith(f'{folder}/')]


def _of_tail(paths: list[str], parts: list[str]) -> str | None:
    for start in range(len(parts)):
        tail = '/'.join(parts[start:])
        if tail in paths:
            return tail
        below = [path for path in paths if path.endswith(f'/{tail}')]
        if len(below) == 1:
            return below[0]
    return None
