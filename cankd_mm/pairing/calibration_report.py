"""Reports what calibration has measured: as text, and as JSON."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from cankd_mm.pairing.calibration import Calibration, MeasuredLoss

_COLUMNS = ('loss', 'loss_weight', 'value', 'share', 'first', 'median', 'last')
_HOW_TO_READ = """\
Ratio: norm of the gradient of the distill loss divided by that of the task
loss, both with respect to the student's features which the loss compares. It
is proportional to loss_weight."""
_NOT_REACHED = 'inf: the task loss does not reach this feature of the student'
_WITHOUT_LIKE = """\
--like PUBLISHED_CONFIG proposes the loss_weight that gives its ratio."""
_OUR_CHOICE = """\
To compare by gradient ratio is our choice; no mAP was measured with it yet."""


def report_lines(
    own: Calibration,
    like: Calibration | None = None,
    proposal: Mapping[str, float] | None = None,
) -> Iterator[str]:
    """Yield a report that fits one screen, a line each.

    Args:
        own: What was measured of the config.
        like: What was measured of the published config.
        proposal: Weights by config key, None if there are none.
    """
    for measured in filter(None, (own, like)):
        yield from _table(measured)
        yield ''
    yield _HOW_TO_READ
    if like is None:
        yield _WITHOUT_LIKE
    if proposal:
        yield ''
        yield f'For the median ratio of {like.config}:'
        yield _option(proposal)
        yield _OUR_CHOICE


def report_dict(
    own: Calibration,
    like: Calibration | None = None,
    proposal: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the report for a JSON file; an infinite ratio is null.

    Args:
        own: As in :func:`report_lines`.
        like: Likewise.
        proposal: Likewise.
    """
    return dict(
        **_as_dict(own),
        like=_as_dict(like) if like else None,
        proposal=dict(proposal) if proposal else None,
    )


def _option(proposal: Mapping[str, float]) -> str:
    """Return what to add to a command line, in one shell line."""
    pairs = [f'{key}={_number(value)}' for key, value in proposal.items()]
    if len(pairs) == 1:
        return f'--cfg-options {pairs[0]}'
    return ' \\\n    '.join(['--cfg-options', *pairs])


def _table(measured: Calibration) -> Iterator[str]:
    plural = 's' * (measured.iterations != 1)
    yield f'config      {measured.config}'
    yield (
        f'trained     {measured.iterations} iteration{plural}, '
        f'{measured.images} images each'
    )
    for loss in measured.losses:
        weight = _number(loss.loss_weight)
        yield f'weight      {loss.key}={weight}'
    rows = [_COLUMNS, *map(_row, measured.losses)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ''
    # Above the last three columns.
    yield ' ' * (sum(widths[:4]) + 8) + 'gradient ratio'
    for name, *cells in rows:
        numbers = (
            f'{cell:>{width}}'
            for cell, width in zip(cells, widths[1:], strict=True)
        )
        yield '  '.join([f'{name:{widths[0]}}', *numbers])
    if any(math.isinf(ratio) for m in measured.losses for ratio in m.ratios):
        yield _NOT_REACHED


def _row(loss: MeasuredLoss) -> tuple[str, ...]:
    return (
        loss.name,
        _number(loss.loss_weight),
        _number(loss.value),
        f'{100 * loss.share:.1f} %',
        *map(_number, (loss.ratios[0], loss.ratio, loss.ratios[-1])),
    )


def _number(value: float | None) -> str:
    """Return at most three digits, without an exponent where possible."""
    if value is None:
        return '-'
    rounded = float(f'{value:.3g}')
    return f'{rounded:g}' if abs(rounded) < 1e6 else f'{rounded:.3g}'


def _as_dict(measured: Calibration) -> dict[str, Any]:
    return dict(
        config=measured.config,
        iterations=measured.iterations,
        images_per_iteration=measured.images,
        losses={
            loss.name: dict(
                key=loss.key,
                loss_weight=loss.loss_weight,
                value=loss.value,
                share=loss.share,
                first_ratio=_finite(loss.ratios[0]),
                median_ratio=_finite(loss.ratio),
                last_ratio=_finite(loss.ratios[-1]),
                ratios=[_finite(ratio) for ratio in loss.ratios],
            )
            for loss in measured.losses
        },
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
