"""Warm-ups and milestones end within the run."""

from collections.abc import Iterator, Mapping
from typing import Any

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, warning
from cankd_mm.utils.config_walk import type_name

_WARM_UPS = ('LinearLR', 'ConstantLR')


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find schedules that are made for a longer run.

    Epochs and iterations are not compared with each other: that takes the
    length of the data set.
    """
    loop = examined.cfg.get('train_cfg') or {}
    schedules = examined.cfg.get('param_scheduler') or []
    if isinstance(schedules, Mapping):
        schedules = [schedules]
    for index, schedule in enumerate(schedules):
        if not isinstance(schedule, Mapping):
            continue
        unit = 'epochs' if schedule.get('by_epoch', True) else 'iters'
        length = loop.get(f'max_{unit}')
        if not isinstance(length, int):
            continue
        for key, found in _ends(schedule):
            # What begins at the end never does.
            if found > length or (key, found) == ('begin', length):
                yield _too_late(
                    f'param_scheduler[{index}].{key}',
                    found,
                    f'train_cfg.max_{unit}',
                    length,
                )


def _ends(schedule: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield what has to lie within the run, by key."""
    begin, end = schedule.get('begin', 0), schedule.get('end')
    if isinstance(begin, int):
        yield 'begin', begin
    if type_name(schedule) in _WARM_UPS and isinstance(end, int):
        yield 'end', end
    milestones = schedule.get('milestones') or ()
    if isinstance(milestones, list | tuple) and milestones:
        yield 'milestones', max(milestones)


def _too_late(key: str, found: int, limit: str, length: int) -> Finding:
    return warning(
        key,
        f'{found}, and the run ends at {limit}={length}: the learning rate '
        'never gets there',
        f'at most {length}',
        f'Shorten the schedule, or lengthen the run ({limit})',
    )
