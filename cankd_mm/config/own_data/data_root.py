"""``data_root`` at the top of a config reaches every data set."""

import os
from collections.abc import MutableMapping, MutableSequence
from typing import Any

from mmengine.config import Config

from cankd_mm.config.own_data.ancestors import Ancestors
from cankd_mm.config.own_data.places import (
    data_roots,
    data_sets_of,
    lies_in,
    same_folder,
)
from cankd_mm.datasets.prepared import SPLITS
from cankd_mm.utils.config_path import require_text
from cankd_mm.utils.config_walk import metrics


def move_data_sets(cfg: Config, ancestors: Ancestors) -> None:
    """Move data sets and evaluators from the root of the bases to the new one.

    A data set that the config itself puts elsewhere stays there.

    Args:
        cfg: A whole config; changed in place.
        ancestors: Its file and bases.

    Raises:
        ValueError: ``data_root`` is no text, or a data set of a base lies in
            a folder that ``data_root`` does not replace.
    """
    root = cfg.get('data_root')
    if root is None:
        return
    root = require_text(root, 'data_root')
    if not _elsewhere(cfg, root):
        return
    if root in ancestors.values('data_root', of_recipes=True):
        return  # it is the recipe's own name for one of several folders
    formers = [
        former
        for former in ancestors.values('data_root')
        if isinstance(former, str) and not same_folder(former, root)
    ]
    if not any('data_root' in base for base in ancestors.bases):
        # No base has a name for it: all data sets lie in one other folder.
        roots = ancestors.roots if ancestors.bases else set(data_roots(cfg))
        formers += roots if len(roots) == 1 else ()
    for split in SPLITS:
        for key in (f'{split}_dataloader', f'{split}_evaluator'):
            for former in formers:
                _move(cfg.get(key), former, root)
    inherited = ancestors.roots - ancestors.roots_beside(root)
    _require_all_moved(cfg, root, inherited)


def _elsewhere(cfg: Config, root: str) -> bool:
    """Whether any path of the data lies outside of the root."""
    paths = data_roots(cfg)
    for _, _, data in data_sets_of(cfg):
        if not data.get('data_root'):
            paths.append(data.get('ann_file'))
    for split in ('val', 'test'):
        key = f'{split}_evaluator'
        paths += [m.get('ann_file') for _, m in metrics(cfg.get(key), key)]
    return any(isinstance(p, str) and not lies_in(p, root) for p in paths)


def _move(part: Any, former: str, root: str) -> None:
    if isinstance(part, MutableMapping):
        items = part.items()
    elif isinstance(part, MutableSequence):
        items = enumerate(part)
    elif isinstance(part, tuple):  # its texts are no paths, its dicts may be
        for value in part:
            _move(value, former, root)
        return
    else:
        return
    for name, value in list(items):
        if not isinstance(value, str):
            _move(value, former, root)
        elif same_folder(value, former):
            # '' is the current folder at one key only.
            if name == 'data_root' or not same_folder(former, os.curdir):
                part[name] = root
        elif lies_in(value, former):
            part[name] = os.path.join(root, os.path.relpath(value, former))


def _require_all_moved(cfg: Config, root: str, inherited: set[str]) -> None:
    for _, key, data in data_sets_of(cfg):
        found = data.get('data_root')
        if found in inherited and not lies_in(found, root):
            raise ValueError(
                f'{key}.data_root={found!r} comes from a base and is not '
                f'replaced by data_root={root!r}, which stands for another '
                'folder of that base. Set the data_root of this data set, '
                'too, or take the data set out'
            )
