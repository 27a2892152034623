"""The modules of one or two models and what they return, as a table."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cankd_mm.pairing.features import Feature, Level, ModelFeatures
from cankd_mm.pairing.places import LOGITS, decoder_level, module_of

_PLACES = ('neck', 'backbone')
LEGEND = (
    'channels x rows x columns /stride, or tokens x channels. frozen: no '
    'gradient reaches it. 2 calls: called twice for an image; the first is '
    'shown'
)


# Modules, and which item of what they return; None for all.
Compared = frozenset[tuple[str, int | None]]


class Row(NamedTuple):
    """One tensor that modules of one name return.

    Attributes:
        source: Name of the module.
        index: Its place in what the module returns; None for a tensor.
        features: The module in each model, None where it has none.
        levels: The tensor in each model, likewise.
    """

    source: str
    index: int | None
    features: tuple[Feature | None, ...]
    levels: tuple[Level | None, ...]


def rows(models: Sequence[ModelFeatures], whole: bool = False) -> list[Row]:
    """Return the rows of the table, named places first.

    Args:
        models: One model, or student and teacher.
        whole: Every module that returns a map or tokens; otherwise necks,
            backbones and their stages, and the ends of decode heads.
    """
    names = list(_names(models, whole))
    found = []
    for name in dict.fromkeys(names):
        features = tuple(model.features.get(name) for model in models)
        indices = dict.fromkeys(
            level.index for f in features if f for level in f.levels
        )
        for index in sorted(indices, key=lambda i: -1 if i is None else i):
            levels = tuple(_level(feature, index) for feature in features)
            found.append(Row(name, index, features, levels))
    return found


def table(found: Sequence[Row], marked: Sequence[Compared]) -> str:
    """Return the table as text.

    Args:
        found: Its rows.
        marked: What a distillation compares of each model.
    """
    titles = ('student', 'teacher') if len(marked) > 1 else ('',)
    lines = [('module', 'output', *titles)]
    for row in found:
        cells = [
            _cell(feature, level, recorded)
            for feature, level, recorded in zip(
                row.features, row.levels, marked, strict=True
            )
        ]
        index = '' if row.index is None else str(row.index)
        lines.append((row.source, index, *cells))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def as_data(
    found: Sequence[Row], marked: Sequence[Compared]
) -> list[dict[str, Any]]:
    """Return the rows as data for JSON.

    Args:
        found: Its rows.
        marked: What a distillation compares of each model.
    """
    roles = ('student', 'teacher') if len(marked) > 1 else ('model',)
    entries = []
    for row in found:
        entry: dict[str, Any] = dict(module=row.source, output=row.index)
        for role, feature, level, recorded in zip(
            roles, row.features, row.levels, marked, strict=True
        ):
            entry[role] = _data(feature, level, recorded)
        entries.append(entry)
    return entries


def _names(models: Sequence[ModelFeatures], whole: bool) -> Iterator[str]:
    for place in _PLACES:
        for model in models:
            if place in model.features:
                yield place
    for model in models:
        for level in model.maps('backbone'):
            if module_of(level)[0] != level.source:
                yield module_of(level)[0]
    for model in models:
        level = decoder_level(model)
        if level is not None:
            yield level.source
        for name in model.features:
            if name.rpartition('.')[2] in LOGITS:
                yield name
    if whole:
        for model in models:
            yield from model.features


def _level(feature: Feature | None, index: int | None) -> Level | None:
    levels = feature.levels if feature else ()
    return next((level for level in levels if level.index == index), None)


def _cell(
    feature: Feature | None, level: Level | None, compared: Compared
) -> str:
    if feature is None or level is None:
        return '-'
    shape = level.shape[1:] if level.shape[0] == 1 else level.shape
    text = ' x '.join(map(str, shape))
    if level.is_map:
        text += f' /{level.stride}'
    if level.has_gradient is False:
        text += ' frozen'
    if feature.calls > 1:
        text += f' {feature.calls} calls'
    return f'{text} *' if _is_compared(feature, level, compared) else text


def _data(
    feature: Feature | None, level: Level | None, compared: Compared
) -> dict[str, Any] | None:
    if feature is None or level is None:
        return None
    return dict(
        type=feature.kind,
        shape=list(level.shape),
        channels=level.channels,
        grid=list(level.grid) if level.is_map else None,
        stride=level.stride if level.is_map else None,
        calls=feature.calls,
        gradient=level.has_gradient,
        compared=_is_compared(feature, level, compared),
    )


def _is_compared(feature: Feature, level: Level, compared: Compared) -> bool:
    indices = [index for source, index in compared if source == level.source]
    from_the_end = level.index is not None and level.index - feature.length
    return None in indices or bool({level.index, from_the_end} & set(indices))
