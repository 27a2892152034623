"""A folder in the layout of a single VOC data set, without a year above."""

from collections.abc import MutableMapping
from pathlib import Path

from cankd_mm.config.own_data.places import read_instead

_LISTS = 'ImageSets/Main'


def is_voc_folder(root: str) -> bool:
    """Whether a folder has VOC's split lists itself, and is not a devkit."""
    return (Path(root) / _LISTS).is_dir()


def use_split_lists(data: MutableMapping) -> None:
    """Take the year out of the paths of a ``VOCDataset``.

    It trains on ``trainval.txt`` and is tested on ``test.txt``, as with VOC
    2007; without ``test.txt`` on ``train.txt`` and ``val.txt``.

    Args:
        data: The data set's config; changed in place.
    """
    if not (data.get('data_prefix') or {}).get('sub_data_root'):
        return
    split = Path(data['ann_file']).name
    if not _has_list(data['data_root'], 'test'):
        others = {'trainval.txt': 'train.txt', 'test.txt': 'val.txt'}
        split = others.get(split, split)
    data['ann_file'] = f'{_LISTS}/{split}'
    data['data_prefix']['sub_data_root'] = ''


def use_voc_folder(data: MutableMapping, split: str) -> None:
    """Turn a data set of another format into a ``VOCDataset``.

    Nothing changes where the file that it reads is there.

    Args:
        data: The data set's config; changed in place.
        split: 'train', 'val' or 'test'.
    """
    root = data['data_root']
    if (Path(root) / data.get('ann_file', '')).is_file():
        return
    if split == 'test' and not _has_list(root, 'test'):
        split = 'val'
    read_instead(
        data,
        type='VOCDataset',
        ann_file=f'{_LISTS}/{split}.txt',
        data_prefix=dict(sub_data_root=''),
    )


def _has_list(root: str, split: str) -> bool:
    return (Path(root) / _LISTS / f'{split}.txt').is_file()
