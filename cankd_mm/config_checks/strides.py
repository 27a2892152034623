"""Features that are compared have equal strides."""

from collections.abc import Iterator

import torch

from cankd_mm.config_checks.examined_config import (
    ExaminedConfig,
    Link,
)
from cankd_mm.config_checks.finding import Finding, error, warning
from cankd_mm.config_checks.meta_model import Record
from cankd_mm.utils.config_walk import type_name

# These compare maps position by position and refuse other shapes.
_SAME_GRID = {
    'ATLoss',
    'CanKDLoss',
    'ChannelWiseDivergence',
    'L1Loss',
    'L2Loss',
    'MGDLoss',
    'TaTLoss',
}
# These bring the maps to one grid as part of their mathematics, or compare
# whole images.
_ANY_GRID = {
    'AngleWiseRKD',
    'CRDLoss',
    'CSKDLoss',
    'DistanceWiseRKD',
    'LAKDLoss',
}
_COUNTS_LEVELS = {'CanKDLoss', 'TaTLoss'}
# Connectors that keep height and width.
_KEEPS_GRID = {'ProjectionConnector'}


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds pyramids that are shifted against each other, and the like.

    The strides are those of one forward on torch's meta device. A module that
    cannot run there is left to the dry run of ``FrozenTeacherDistill``.
    """
    for name, loss in examined.part('distill_losses').items():
        if type_name(loss) in _ANY_GRID:
            continue
        pair = _pair([link for link in examined.links if link.loss == name])
        if pair is None or not all(_keeps_grid(examined, k) for k in pair):
            continue
        student, teacher = (_strides(examined, link) for link in pair)
        # Of a longer tuple the first levels are used.
        levels = min(len(student), len(teacher))
        if type_name(loss) in _COUNTS_LEVELS:
            levels = min(levels, loss.get('num_levels', 1))
        if student[:levels] == teacher[:levels]:
            continue
        kind = error if type_name(loss) in _SAME_GRID else warning
        yield kind(
            f'model.distiller.loss_forward_mappings.{name}',
            'strides '
            + ' and '.join(
                f'{_text(strides[:levels])} of the {link.role} '
                f'({examined.source(link)})'
                for link, strides in zip(pair, (student, teacher), strict=True)
            ),
            'equal ones',
            _remedy(student, teacher),
        )


def _pair(links: list[Link]) -> tuple[Link, Link] | None:
    """The student's and the teacher's feature, if there is one of each."""
    pair = [
        [link for link in links if link.role == role]
        for role in ('student', 'teacher')
    ]
    if [len(side) for side in pair] != [1, 1]:
        return None
    return pair[0][0], pair[1][0]


def _keeps_grid(examined: ExaminedConfig, link: Link) -> bool:
    if link.connector is None:
        return True
    connector = examined.part('connectors').get(link.connector)
    return type_name(connector) in _KEEPS_GRID


def _strides(examined: ExaminedConfig, link: Link) -> list[tuple[int, int]]:
    """Strides of the levels that a link brings; empty if not known."""
    record, size = examined.record(link), examined.shapes(link.role)[1]
    levels: tuple[Record, ...] = ()
    if isinstance(record, torch.Size):
        levels = (record,) if link.data_idx is None else ()
    elif record is not None:
        levels = record
        if link.data_idx is not None:
            inside = -len(record) <= link.data_idx < len(record)
            levels = (record[link.data_idx],) if inside else ()
    if not all(level is not None and len(level) == 4 for level in levels):
        return []
    return [
        tuple(
            round(image / cells)
            for image, cells in zip(size, level[2:], strict=True)
        )
        for level in levels
    ]


def _text(strides: list[tuple[int, int]]) -> str:
    return ', '.join(str(y) if y == x else f'{y}x{x}' for y, x in strides)


def _remedy(student, teacher) -> str:
    text = (
        'Record modules or levels (data_idx) of equal stride, or put a '
        'ResizeConnector between'
    )
    for index, stride in enumerate(teacher[1:], 1):
        if stride == student[0] and len(teacher) > 1:
            return (
                f"{text}. The teacher's level {index} has the stride of the "
                "student's level 0"
            )
    return text
