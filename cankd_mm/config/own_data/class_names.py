"""``classes`` at the top of a config reaches every data set and head."""

import inspect
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from cankd_mm.config.class_heads import (
    class_count_of,
    class_counts,
    names_in_file,
)
from cankd_mm.config.own_data.ancestors import Ancestors
from cankd_mm.config.own_data.head_counts import HeadCounts
from cankd_mm.config.own_data.places import data_sets_of
from cankd_mm.utils.config_walk import dicts, type_name


def name_classes(cfg: Config, ancestors: Ancestors) -> None:
    """Name the classes of every data set, and count them in every head.

    Args:
        cfg: A whole config; changed in place.
        ancestors: Its file and bases.

    Raises:
        ValueError: ``classes`` is no sequence of names and no file with a
            name in each line, a data set or ``num_classes`` differs from it,
            or a head has the classes of neither the former data set nor this
            one.
    """
    if 'classes' not in cfg:
        _require_no_count_of_its_own(cfg, ancestors)
        return
    classes = checked_classes(cfg.classes)
    if isinstance(cfg.classes, str):
        cfg.classes = classes  # a file
    scope = cfg.get('default_scope') or 'mmengine'
    former = set(_former_counts(cfg, scope, ancestors)) - {len(classes)}
    stated = cfg.get('num_classes')
    if stated not in (None, len(classes), *former):
        _require_inherited_count(ancestors, stated, len(classes))
    for _, key, data in data_sets_of(cfg):
        metainfo = data.get('metainfo') or {}
        if tuple(metainfo.get('classes') or ()) == classes:
            continue
        if has_classes_of_its_own(cfg, ancestors, data):
            raise ValueError(
                f'{key}.metainfo.classes={tuple(metainfo["classes"])!r}, but '
                f'classes={classes!r} at the top of the config. Name the '
                'classes in one of the two places'
            )
        _name(data, classes, scope)
    HeadCounts(len(classes), former).apply(cfg)
    if stated in former:
        cfg.num_classes = len(classes)


def _former_counts(
    cfg: Config, scope: str, ancestors: Ancestors
) -> Iterator[int]:
    """Yield the class counts that the recipe is made for.

    They are those of its data sets as they are, and of their types. Where
    only a file of the data has the classes, those of the heads of the bases.
    """
    for _, _, data in data_sets_of(cfg):
        counts = [class_count_of(data, scope)]
        if data.get('metainfo'):
            counts.append(class_count_of({**data, 'metainfo': None}, scope))
        yield from (count for count in counts if count is not None)
        if counts == [None]:
            for base in _recipes(ancestors) or [cfg]:
                model = base.get('model') or {}
                model = model.get('architecture', model)
                yield from class_counts(model).values()


def _recipes(ancestors: Ancestors) -> list[Mapping[str, Any]]:
    """Return what a config is made of, and itself if it is a recipe."""
    return ancestors.contents if ancestors.is_packaged else ancestors.bases


def _require_inherited_count(
    ancestors: Ancestors, stated: int, count: int
) -> None:
    """Raise where ``num_classes`` was set beside ``classes``.

    Raises:
        ValueError: It was, to another number than there are names.
    """
    if not any(base.get('num_classes') == stated for base in ancestors.bases):
        raise ValueError(
            f'num_classes={stated}, but classes has {count} names. '
            'Leave num_classes out'
        )


def checked_classes(classes: Any) -> tuple[str, ...]:
    """Return names of classes.

    Args:
        classes: A sequence of names, or a file with a name in each line.

    Raises:
        ValueError: It is something else, or has a name twice.
    """
    if isinstance(classes, str) and Path(classes).is_file():
        classes = names_in_file(classes)
    if isinstance(classes, str):
        raise ValueError(
            f'classes={classes!r} is text, expected a sequence of names: '
            f'classes=({classes!r},), with a comma, for one class; on the '
            f'command line: classes={classes},'
        )
    is_sequence = isinstance(classes, Sequence)
    if not (is_sequence and classes and all(map(_is_name, classes))):
        raise ValueError(
            f'classes={classes!r}, expected a sequence of names: '
            "classes=('cat', 'dog')"
        )
    repeated = sorted({name for name in classes if classes.count(name) > 1})
    if repeated:
        raise ValueError(
            f'classes={tuple(classes)!r} has {repeated[0]!r} more than once'
        )
    return tuple(classes)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def has_classes_of_its_own(
    cfg: Config, ancestors: Ancestors, data: Mapping
) -> bool:
    """Whether the config itself names the classes of a data set.

    Args:
        cfg: A whole config.
        ancestors: Its file and bases.
        data: One of its data sets.

    Returns:
        False where the classes come from a base, or from before ``classes``
        was set at the top.
    """
    found = (data.get('metainfo') or {}).get('classes')
    if not found:
        return False
    first = (ancestors.contents or [{}])[0].get('classes')
    known = [first]  # an earlier call has set these
    is_older = first != cfg.get('classes')
    earlier = ancestors.contents if is_older else _recipes(ancestors)
    for content in earlier:
        for _, _, part in data_sets_of(content):
            known.append((part.get('metainfo') or {}).get('classes'))
    return tuple(found) not in [tuple(names) for names in known if names]


def _name(data: MutableMapping, classes: tuple[str, ...], scope: str) -> None:
    data['metainfo'] = dict(classes=classes)
    if (data.get('_scope_') or scope) == 'mmseg':
        _use_labels_as_they_are(data)
    else:
        # A data set's own has as many colors as it has classes.
        data['metainfo']['palette'] = 'random'


def _use_labels_as_they_are(data: MutableMapping) -> None:
    """Keep MMSegmentation from looking for the former classes' names."""
    if type_name(data) == 'BaseSegDataset':
        return
    kind = data['type']
    if isinstance(kind, str):
        kind = DATASETS.get(f'mmseg.{kind.removeprefix("mmseg.")}')
    parameters = inspect.signature(kind.__init__).parameters
    for name in ('img_suffix', 'seg_map_suffix', 'reduce_zero_label'):
        if name in parameters:
            data.setdefault(name, parameters[name].default)
    data['type'] = 'BaseSegDataset'


def _require_no_count_of_its_own(cfg: Config, ancestors: Ancestors) -> None:
    """Raise where ``num_classes`` was changed and the classes have no names.

    Raises:
        ValueError: It would change nothing.
    """
    stated = cfg.get('num_classes')
    if not isinstance(stated, int) or ancestors.is_packaged:
        return
    counts = set(_model_counts(cfg.get('model')))
    if not counts or stated in counts:
        return
    earlier = [base.get('num_classes') for base in ancestors.bases]
    former = next((n for n in earlier if n in counts), None)
    if former is not None:
        raise ValueError(
            f'num_classes={stated}, but the data sets of this config have '
            f'{former} classes. Name the others: '
            "classes=('cat', 'dog')"
        )


def _model_counts(model: Any) -> Iterator[int]:
    for _, part in dicts(model):
        if isinstance(part.get('num_classes'), int):
            yield part['num_classes']
