"""Carries a data set's names from the top of a config to where they belong.

Two lines make any config of the zoo train on another data set::

    data_root = 'data/BCCD/'
    classes = ('RBC', 'WBC', 'Platelets')

MMEngine evaluates a base before its child, so that these two alone would
change nothing. The zoo's data sets therefore note under ``written_for`` which
names their dicts were written with; where a child or the command line has
said others since, every place follows.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.config_walk import data_sets, dicts

_DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_EVALUATORS = ('val_evaluator', 'test_evaluator')


def follow_names(cfg: Config) -> None:
    """Makes a config agree with the names at its top.

    ``data_root`` replaces the former one in every data set and evaluator,
    and a folder in the layout of a single VOC data set replaces the years of
    a devkit. ``classes`` names the classes of every data set and gives
    ``num_classes``, which every head of the student follows, and so does a
    teacher that was written for the same data set. Does nothing for a config
    without ``written_for``, or whose names are the ones there.

    Args:
        cfg: A whole config; changed in place.

    Raises:
        ValueError: ``num_classes`` is changed without ``classes``, or is not
            their number.
    """
    former = cfg.get('written_for')
    if not former:
        return
    former = former.to_dict()
    if cfg.data_root != former['data_root']:
        _move_data(cfg, former['data_root'], cfg.data_root)
    num_classes = _number_of_classes(cfg, former['num_classes'])
    if 'classes' in cfg:
        _name_classes(cfg, tuple(cfg.classes))
    if num_classes != former['num_classes']:
        cfg.num_classes = num_classes
        _follow_num_classes(cfg, former)
    cfg.written_for = dict(data_root=cfg.data_root, num_classes=num_classes)


def set_num_classes(model: Any, num_classes: int) -> None:
    """Sets every ``num_classes`` of a model's config, in place."""
    for _, part in dicts(model):
        if 'num_classes' in part:
            part['num_classes'] = num_classes


def _number_of_classes(cfg: Config, former: int) -> int:
    if 'classes' not in cfg:
        if cfg.num_classes != former:
            raise ValueError(
                f'num_classes={cfg.num_classes}, but the data sets of this '
                f'config have {former} classes. Name the others: '
                "classes=('cat', 'dog')"
            )
        return former
    if isinstance(cfg.classes, str):
        raise ValueError(
            f'classes={cfg.classes!r}, expected a sequence of names: '
            f'classes=({cfg.classes!r},); on the command line: '
            f'classes={cfg.classes},'
        )
    if cfg.num_classes not in (former, len(cfg.classes)):
        raise ValueError(
            f'num_classes={cfg.num_classes}, but classes has '
            f'{len(cfg.classes)} names. Leave num_classes out'
        )
    return len(cfg.classes)


def _move_data(cfg: Config, former: str, root: str) -> None:
    for data in _datasets(cfg):
        if data.get('data_root') == former:
            data['data_root'] = root
            _use_single_voc_folder(data)
    for loader in _DATALOADERS:
        for _, part in dicts(cfg.get(loader)):
            if 'datasets' in part:
                part['datasets'] = _without_repetition(part['datasets'])
    for key in _EVALUATORS:
        for _, part in dicts(cfg.get(key)):
            for name, value in part.items():
                if isinstance(value, str) and _lies_in(value, former):
                    part[name] = str(root / Path(value).relative_to(former))


def _lies_in(path: str, folder: str) -> bool:
    return bool(folder) and Path(path).is_relative_to(folder)


def _without_repetition(parts: list[dict]) -> list[dict]:
    """Leaves the first of the years that have become the same folder."""
    lists = [(part.get('data_root'), part.get('ann_file')) for part in parts]
    return [
        part
        for index, part in enumerate(parts)
        if None in lists[index] or lists[index] not in lists[:index]
    ]


def _use_single_voc_folder(data: dict) -> None:
    """Takes the year out of a VOC data set's paths where there is none."""
    year = (data.get('data_prefix') or {}).get('sub_data_root')
    root = Path(data['data_root'])
    lists = root / 'ImageSets' / 'Main'
    if not year or (root / year).exists() or not lists.is_dir():
        return
    split = Path(data['ann_file']).name
    if not (lists / 'test.txt').is_file():  # then `val` is what is tested on
        others = {'trainval.txt': 'train.txt', 'test.txt': 'val.txt'}
        split = others.get(split, split)
    data['ann_file'] = f'ImageSets/Main/{split}'
    data['data_prefix']['sub_data_root'] = ''


def _name_classes(cfg: Config, classes: tuple[str, ...]) -> None:
    for data in _datasets(cfg):
        data['metainfo'] = dict(classes=classes)
        if cfg.get('default_scope') == 'mmseg':
            _use_labels_as_they_are(data)
        else:
            # A data set's own has as many colours as it has classes.
            data['metainfo']['palette'] = 'random'


def _use_labels_as_they_are(data: dict) -> None:
    """Keeps MMSegmentation from looking for the former classes' names."""
    written = DATASETS.get(f'mmseg.{data["type"].removeprefix("mmseg.")}')
    for name in ('img_suffix', 'seg_map_suffix', 'reduce_zero_label'):
        parameter = inspect.signature(written.__init__).parameters.get(name)
        if parameter is not None:
            data.setdefault(name, parameter.default)
    data['type'] = 'BaseSegDataset'


def _follow_num_classes(cfg: Config, former: dict) -> None:
    model = cfg.model
    if 'architecture' not in model:
        set_num_classes(model, cfg.num_classes)
        return
    set_num_classes(model.architecture, cfg.num_classes)
    set_num_classes(model.get('distiller'), cfg.num_classes)
    path = model.get('teacher', {}).get('cfg_path')
    if path:
        path = resolve_path(path, 'model.teacher.cfg_path')
        written = Config.fromfile(path).get('written_for')
        # Another data set's teacher keeps its classes, as its weights do.
        if written and written.num_classes == former['num_classes']:
            model.teacher.num_classes = cfg.num_classes


def _datasets(cfg: Config) -> Iterator[dict]:
    """The innermost data sets of all dataloaders."""
    for loader in _DATALOADERS:
        for _, data in data_sets(cfg.get(loader)):
            yield data
