"""What was chosen for a pair, in a few lines."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cankd_mm.config_checks.finding import Severity
from cankd_mm.config_checks.report import line
from cankd_mm.pairing.make import MadeConfig
from cankd_mm.pairing.pair import PairRequest
from cankd_mm.utils.config_walk import type_name

_WEIGHTS = ('loss_weight', 'patch_weight', 'attention_weight')


def summary_lines(made: MadeConfig, request: PairRequest) -> Iterator[str]:
    """Yield what was chosen, a line each.

    Args:
        made: The config.
        request: What was asked for.
    """
    models, model = made.pair.models, made.cfg.model
    count = made.pair.text.count('\n')
    yield _row('config', f'{made.path} ({count} lines)')
    for role, path in (
        ('student', request.student),
        ('teacher', request.teacher),
    ):
        kind = type(getattr(models, role).model).__name__
        yield _row(role, f'{kind}, {path}')
    yield _row('weights', made.pair.teacher_ckpt)
    yield _row('compared', made.pair.draft.summary)
    distiller = model.distiller
    yield _row('connectors', _connectors(distiller) or 'none needed')
    yield _row('losses', ', '.join(_losses(distiller)))
    if model.get('truncations'):
        cuts = [cut['module'] for cut in model.truncations]
        yield _row('cuts', f'before {", ".join(cuts)}')
    for note in made.pair.notes:
        yield _row('note', note)
    if request.data_root and not Path(request.data_root).is_dir():
        yield _row('note', f'there is no folder {request.data_root} yet')
    faults = [f for f in made.findings if f.severity >= Severity.WARNING]
    yield _row('checks', 'no faults found' if not faults else 'warnings:')
    yield from map(line, faults)


def _row(name: str, text: Any) -> str:
    return f'{name:11} {text}'


def _connectors(distiller: Mapping[str, Any]) -> str:
    found = []
    for name, parts in (distiller.get('connectors') or {}).items():
        if isinstance(parts, Mapping):
            parts = [parts]
        kinds = [type_name(part) for part in parts]
        found.append(f'{name} ({" and ".join(kinds)})')
    return ', '.join(found)


def _losses(distiller: Mapping[str, Any]) -> Iterator[str]:
    for name, loss in distiller['distill_losses'].items():
        weights = [f'{key}={loss[key]:.3g}' for key in _WEIGHTS if key in loss]
        yield f'{name} ({", ".join([type_name(loss), *weights])})'
