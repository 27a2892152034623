"""Makes sure that the training data are there before anything is loaded."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS

from cankd_mm.utils.config_walk import data_sets


def require_training_data(cfg: Config) -> None:
    """Raise where a data set of the train dataloader is not on the disk.

    Looks at local data sets of mmdet and mmseg; one of a type of the user's
    own may make its own files.

    Raises:
        FileNotFoundError: A ``data_root`` or ``ann_file`` that is not there.
        ValueError: ``classes`` is a single text.
    """
    loader = cfg.get('train_dataloader')
    is_segmentor = cfg.get('default_scope') == 'mmseg'
    task = 'segmentation' if is_segmentor else 'detection'
    for key, data in data_sets(loader, 'train_dataloader'):
        if not _reads_local_files(data, cfg.get('default_scope')):
            continue
        _require_list_of_classes(data, key)
        for name, path in _paths(data):
            if not path.exists():
                raise FileNotFoundError(
                    f'{key}.{name}={data[name]!r}: there is no {path} (from '
                    f'{Path.cwd()}). python tools/prepare_data.py {task} '
                    'FOLDER writes annotations for photos and labels of your '
                    'own, --help lists the public data sets; data_root=... '
                    'names another folder'
                )


def _require_list_of_classes(data: Mapping, key: str) -> None:
    classes = (data.get('metainfo') or {}).get('classes')
    # Text may be the name of a file, which MMEngine reads.
    if isinstance(classes, str) and not Path(classes).is_file():
        raise ValueError(
            f'{key}.metainfo.classes={classes!r} is text, expected a sequence '
            f'of names: classes=({classes!r},), with a comma, for one class'
        )


def _reads_local_files(data: Mapping, scope: str | None) -> bool:
    kind = data['type']
    if isinstance(kind, str):
        kind = DATASETS.get(kind if '.' in kind else f'{scope}.{kind}')
    remote = (data.get('backend_args') or {}).get('backend', 'local')
    return (
        inspect.isclass(kind)
        and kind.__module__.startswith(('mmdet.', 'mmseg.'))
        and remote == 'local'
    )


def _paths(data: Mapping) -> Iterator[tuple[str, Path]]:
    """The paths that a data set reads first, with their keys."""
    root = data.get('data_root') or ''
    for name in ('data_root', 'ann_file'):
        value = data.get(name)
        if isinstance(value, str) and value and '://' not in root + value:
            yield name, Path(root, value) if name == 'ann_file' else Path(root)
