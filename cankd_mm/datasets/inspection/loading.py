"""Observes data sets while they load their annotations.

The methods of an instance are wrapped while its ``full_init`` runs, and are
as before when it returns: there is no second parse, and nothing of it is left
when training starts.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mmengine.dataset import BaseDataset

from cankd_mm.datasets.inspection.coco import coco_fault, coco_wrappers
from cankd_mm.datasets.inspection.errors import (
    DataFileNotFound,
    DataSetError,
    brief,
    failure_noted,
    unusual_content,
)
from cankd_mm.datasets.inspection.record import LoadingRecord
from cankd_mm.datasets.inspection.steps import (
    all_steps,
    loads_no_annotations,
)
from cankd_mm.datasets.inspection.verdict import no_image
from cankd_mm.datasets.inspection.voc import voc_wrappers
from cankd_mm.utils.config_walk import data_sets

_RECORDS: WeakKeyDictionary = WeakKeyDictionary()
_LIBRARIES = ('mmdet.', 'mmseg.')


def record_of(dataset: Any) -> LoadingRecord | None:
    """Return what was seen of a data set; None where nothing was."""
    try:
        return _RECORDS.get(dataset)
    except TypeError:
        return None


@contextmanager
def observed_loading(loader: Any, name: str, training: bool) -> Iterator[None]:
    """Observe every data set that is loaded inside of the context.

    Failures of mmdet's and mmseg's data sets become errors that name the
    config key and the file. Of training data, a record is kept for
    :func:`record_of`.

    Args:
        loader: The config of the dataloader, to find keys in.
        name: Its key, such as ``'train_dataloader'``.
        training: Whether to keep records.

    Raises:
        DataSetError: The annotations cannot be loaded.
    """

    def wrap(full_init):
        @functools.wraps(full_init)
        def observed(dataset, *args, **kwargs):
            is_loaded = getattr(dataset, '_fully_initialized', False)
            # One that calls its base class comes here twice.
            if is_loaded or id(dataset) in active:
                return full_init(dataset, *args, **kwargs)
            active.add(id(dataset))
            try:
                key = _key_of(dataset, loader, name)
                with _observed(dataset, key, training):
                    return full_init(dataset, *args, **kwargs)
            finally:
                active.discard(id(dataset))

        return observed

    active = set()
    # Only mmengine's own class and those that override the method.
    originals = {
        kind: vars(kind)['full_init']
        for kind in _with_subclasses(BaseDataset)
        if 'full_init' in vars(kind)
    }
    for kind, full_init in originals.items():
        kind.full_init = wrap(full_init)
    try:
        yield
    finally:
        for kind, full_init in originals.items():
            kind.full_init = full_init


@contextmanager
def _observed(dataset: Any, key: str, training: bool) -> Iterator[None]:
    record = LoadingRecord(
        key=key,
        kind=type(dataset).__name__,
        file=_source_of(dataset),
        classes=classes_of(dataset),
        is_subset=getattr(dataset, '_indices', None) is not None,
    )
    layers = [_counting(dataset, record, training)]
    if hasattr(dataset, 'COCOAPI'):
        layers.append(coco_wrappers(dataset, record, training))
    elif hasattr(dataset, '_parse_instance_info'):
        layers.append(voc_wrappers(dataset, record, training))
    if _is_of_the_libraries(dataset):
        layers.append(dict(load_data_list=_naming(dataset, record)))
    with _wrapped_methods(dataset, layers):
        yield
    if training:
        if not getattr(dataset, 'serialize_data', False):
            _count(dataset, record)
        _RECORDS[dataset] = record


def _counting(
    dataset: Any, record: LoadingRecord, training: bool
) -> dict[str, Callable]:
    """Return wrappers that count at each step of ``full_init``."""

    def load(original):
        def load_list(*args, **kwargs):
            items = original(*args, **kwargs)
            record.listed = len(items) if isinstance(items, list) else 0
            # The file may have named the classes.
            record.classes = classes_of(dataset)
            return items

        return load_list

    def select(original):
        def select_items(*args, **kwargs):
            before = len(dataset.data_list)
            items = original(*args, **kwargs)
            record.filtered = before - len(items)
            return items

        return select_items

    def serialize(original):
        def serialize_items(*args, **kwargs):
            # The items are dropped once they are serialized.
            if not dataset.data_list:
                raise no_image(record, dataset)
            if training:
                _count(dataset, record)
            return original(*args, **kwargs)

        return serialize_items

    return dict(
        load_data_list=load, filter_data=select, _serialize_data=serialize
    )


def _count(dataset: Any, record: LoadingRecord) -> None:
    items = dataset.data_list
    if not items:
        raise no_image(record, dataset)
    with failure_noted(record):
        record.count(items)
    steps = list(all_steps(getattr(dataset, 'pipeline', None)))
    if loads_no_annotations(steps):
        record.not_counted = 'its pipeline loads no annotations'


def _naming(dataset: Any, record: LoadingRecord) -> Callable:
    """Return a wrapper that gives failures a key and a file."""

    def load(original):
        def load_list(*args, **kwargs):
            try:
                return original(*args, **kwargs)
            except (DataSetError, ImportError):
                # A package that is not installed is no fault of the file.
                raise
            except Exception as error:
                raise _located(dataset, record, error) from error

        return load_list

    return load


def _located(
    dataset: Any, record: LoadingRecord, error: Exception
) -> DataSetError:
    file = record.file
    key = f'{record.key}.ann_file'
    if not getattr(dataset, 'ann_file', ''):
        key = f'{record.key}.data_prefix'
    if '://' not in file and not Path(file).exists():
        return DataFileNotFound(
            f'{key}: there is no {file} (from {Path.cwd()}). python '
            'tools/prepare_data.py finds what is missing'
        )
    fault = ''
    if hasattr(dataset, 'COCOAPI'):
        fault = coco_fault(file)
    elif unusual_content(file):
        fault = f'this is {unusual_content(file)}'
    fault = fault or f'it cannot be loaded ({brief(error)})'
    return DataSetError(
        f'{key}: {file}: {fault}. Load it again from where it came, or mend '
        f'it; type={record.kind!r} reads it'
    )


@contextmanager
def _wrapped_methods(
    instance: Any, layers: list[dict[str, Callable]]
) -> Iterator[None]:
    """Wrap methods of one instance; later layers are further out."""
    names = {name for layer in layers for name in layer}
    before = {n: vars(instance)[n] for n in names if n in vars(instance)}
    for layer in layers:
        for name, wrap in layer.items():
            original = getattr(instance, name, None)
            if original is not None:
                setattr(instance, name, wrap(original))
    try:
        yield
    finally:
        for name in names:
            vars(instance).pop(name, None)
        vars(instance).update(before)


def _with_subclasses(kind: type) -> set[type]:
    found = {kind}
    for subclass in kind.__subclasses__():
        found |= _with_subclasses(subclass)
    return found


def _is_of_the_libraries(dataset: Any) -> bool:
    # The base of a user's own may be any.
    return any(
        kind.__module__.startswith(_LIBRARIES) for kind in type(dataset).mro()
    )


def classes_of(dataset: Any) -> tuple[str, ...]:
    """Return the names that a data set is trained with, if it has any."""
    classes = (getattr(dataset, '_metainfo', None) or {}).get('classes')
    if not isinstance(classes, list | tuple):
        return ()
    return tuple(map(str, classes))


def _source_of(dataset: Any) -> str:
    file = getattr(dataset, 'ann_file', '')
    if file:
        return str(file)
    prefix = getattr(dataset, 'data_prefix', None) or {}
    folder = prefix.get('img_path') or prefix.get('img')
    return str(folder or getattr(dataset, 'data_root', '') or '')


def _key_of(dataset: Any, loader: Any, name: str) -> str:
    """Return where a dataloader's config has a data set."""
    file = str(getattr(dataset, 'ann_file', '') or '')
    root = str(getattr(dataset, 'data_root', '') or '')
    fitting = [
        key
        for key, part in data_sets(loader, name)
        if file.endswith(str(part.get('ann_file') or ''))
        and str(part.get('data_root') or '') in root
    ]
    return fitting[0] if fitting else f'{name}.dataset'
