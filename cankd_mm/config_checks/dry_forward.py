"""The pair starts: what the dry run of training sees, without weights."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmrazor.registry import MODELS

from cankd_mm.algorithms import FrozenTeacherDistill
from cankd_mm.algorithms.dry_run import TeacherFault
from cankd_mm.config_checks.examined_config import (
    ROLES,
    ExaminedConfig,
)
from cankd_mm.config_checks.faults import as_finding, named, suggestion
from cankd_mm.config_checks.finding import Finding, Severity, not_checked
from cankd_mm.config_checks.trial import (
    LossFaults,
    Tried,
    try_on_cpu,
    try_on_meta,
)
from cankd_mm.utils.config_walk import type_name

# What both models may have to be built on a CPU: 2 GB in float32.
_MOST_PARAMETERS = 500_000_000
_SIZE = (256, 256)
# Algorithms of MMRazor that use recorders as FrozenTeacherDistill does.
_ALIKE = {'SingleTeacherDistill', 'FpnTeacherDistill'}
_SHARED_ARGUMENTS = (
    'architecture',
    'teacher',
    'distiller',
    'data_preprocessor',
)
_LOSS = re.compile(
    r'^model\.distiller\.(?:distill_losses|loss_forward_mappings)\.(\w+)'
)
_CONNECTOR = re.compile(r'^model\.distiller\.connectors\.(\w+)')


def check(
    examined: ExaminedConfig, findings: Sequence[Finding] = ()
) -> Iterator[Finding]:
    """Find what keeps a distillation from starting.

    Both models run on torch's meta device, with recorders, connectors and
    losses. What fails there runs again on the CPU with random weights, which
    decides.

    Args:
        examined: The config.
        findings: Those of the other checks. What they say of a loss is not
            said again.
    """
    if not examined.is_distillation:
        return
    kind = type_name(examined.distiller)
    is_alike = examined.algorithm in _ALIKE and kind == 'ConfigurableDistiller'
    if not (examined.is_frozen_teacher or is_alike):
        yield not_checked(
            'model.distiller',
            f'whether its features fit: {examined.algorithm} with a {kind} '
            'takes its records by rules of its own',
        )
        return
    known = _known_losses(examined, findings)
    for finding in _tried(examined):
        loss = _LOSS.match(finding.key)
        if not (loss and loss[1] in known):
            yield finding


def _tried(examined: ExaminedConfig) -> Iterator[Finding]:
    model = arguments_of(examined)
    try:
        tried = _try(examined, model)
    except _CannotBeTried as failure:
        yield not_checked('model.distiller', f'whether it starts: {failure}')
        return
    except Exception as failure:
        yield from _faults(examined, failure)
        return
    if model.get('dry_run_size', _SIZE) is None:
        yield not_checked(
            'model.dry_run_size',
            'None, so neither this check nor training tries whether features '
            'fit their losses',
            '',
            'Set it to (height, width) of an image that both models take',
        )
    for notice in tried.notices:
        yield as_finding(Severity.WARNING, notice, 'model')
    for loss in tried.untried:
        yield not_checked(
            f'model.distiller.distill_losses.{loss}',
            'it records what only the loss of the student runs, which takes '
            'labels: its features are seen in the first iteration',
        )


class _CannotBeTried(Exception):
    """Neither on the meta device nor on the CPU."""


def arguments_of(examined: ExaminedConfig) -> dict[str, Any]:
    """Return what the algorithm is built with, as a runner passes it.

    Args:
        examined: A distillation.
    """
    model = dict(examined.model)
    if 'data_preprocessor' in examined.cfg:
        model.setdefault('data_preprocessor', examined.cfg.data_preprocessor)
    if not examined.is_frozen_teacher:
        model = {k: v for k, v in model.items() if k in _SHARED_ARGUMENTS}
        preprocessor = model.get('data_preprocessor') or {}
        size = preprocessor.get('size')
        is_size = isinstance(size, list | tuple) and len(size) == 2
        model['dry_run_size'] = tuple(size) if is_size else _SIZE
    return model


def algorithm_of(examined: ExaminedConfig) -> type[FrozenTeacherDistill]:
    """Return the class that trains the student, or one that runs alike.

    Args:
        examined: A distillation.
    """
    if not examined.is_frozen_teacher:
        return FrozenTeacherDistill
    kind = examined.model['type']
    return MODELS.get(kind) if isinstance(kind, str) else kind


def _try(examined: ExaminedConfig, model: Mapping[str, Any]) -> Tried:
    """Try the pair where it can be.

    Raises:
        Exception: What building the pair on the CPU raises.
    """
    pair = [getattr(examined, role).on_meta for role in ROLES]
    arguments = algorithm_of(examined), model, examined.scope
    reason = ''
    if None not in pair:
        try:
            return try_on_meta(*arguments, *pair)
        except Exception as failure:
            reason = named(failure)
        count = sum(p.numel() for m in pair for p in m.parameters())
        if count > _MOST_PARAMETERS:
            raise _CannotBeTried(
                f'both models have {count / 1e6:.0f} million parameters, too '
                'many to build them for a check, and without values (on '
                f"torch's meta device) it fails: {reason}"
            )
    try:
        return try_on_cpu(*arguments)
    except MemoryError as failure:
        raise _CannotBeTried(f'not enough memory: {reason}') from failure


def _faults(examined: ExaminedConfig, failure: Exception) -> Iterator[Finding]:
    severity = Severity.ERROR
    texts = [named(failure)]
    if isinstance(failure, LossFaults):
        texts = failure.faults
    elif not examined.is_frozen_teacher and not _LOSS.match(str(failure)):
        # MMRazor's algorithms run their models in another way.
        yield not_checked(
            'model.distiller',
            f'whether its features fit, in a forward without labels: '
            f'{texts[0]}',
        )
        return
    elif (
        isinstance(failure, TeacherFault)
        and examined.model.get('distill_weight') == 0
    ):
        severity = Severity.WARNING
    algorithm: Callable = algorithm_of(examined)
    remedy = suggestion(failure, algorithm)
    for text in texts:
        key = 'model'
        for role in ROLES:
            if text.startswith(f'the {role} '):
                key = getattr(examined, role).key
        if remedy:
            text = f'{text}. {remedy}'
        yield as_finding(severity, text, key)


def _known_losses(
    examined: ExaminedConfig, findings: Sequence[Finding]
) -> set[str]:
    """Losses about which another check has found an error."""
    known = set()
    for finding in findings:
        if finding.severity is not Severity.ERROR:
            continue
        if match := _LOSS.match(finding.key):
            known.add(match[1])
        elif match := _CONNECTOR.match(finding.key):
            known |= {
                link.loss
                for link in examined.links
                if link.connector == match[1]
            }
    return known
