"""The weights that training starts from can be read, and reach the model.

These are ``load_from``, ``model.student_ckpt``, and whatever a part of a model
names as its pretrained weights: ``init_cfg=dict(type='Pretrained')``, or
``pretrained`` in the configs of mmseg.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from cankd_mm.checkpoint.finite_weights import NON_FINITE_REMEDY, describe
from cankd_mm.config_checks.examined_config import (
    ROLES,
    ExaminedConfig,
)
from cankd_mm.config_checks.finding import Finding, error, info
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.config_checks.weights_file import (
    FAILURES,
    as_error,
    mmengines_file,
    not_downloaded,
    own_weights,
    read_weights,
)
from cankd_mm.utils.checkpoint import (
    has_old_keys,
    load_state,
    read_checkpoint,
    student_state_dict,
)
from cankd_mm.utils.config_walk import dicts, type_name

_STUDENT_KEY = 'model.student_ckpt'
_FINITE = 'finite numbers'
# Where mmseg's configs expect weights that its converters write.
_CONVERTED = 'pretrain/'


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find files that are missing, unreadable, or of another model."""
    yield from _load_from(examined)
    yield from _student_ckpt(examined)
    yield from _pretrained(examined)


# ------------------------------------------------------------------ load_from


def _load_from(examined: ExaminedConfig) -> Iterator[Finding]:
    key, path = 'load_from', examined.cfg.get('load_from')
    if not path:
        return
    if (
        examined.cfg.get('resume')
        and examined.cfg.get('runner_type')
        and os.path.isdir(path)
    ):
        # DeepSpeed writes folders, which only the runner can read.
        return
    try:
        file = mmengines_file(path, key)
        if examined.cfg.get('resume'):
            # Resuming reads it, and compares it to the run.
            return
        if file is None:
            yield not_downloaded(path, key)
            return
        state = read_weights(file, key)
    except FAILURES as failure:
        yield as_error(failure, key)
        return
    student = student_state_dict(state)
    is_submodule = examined.is_distillation and not examined.is_frozen_teacher
    if is_submodule and not has_old_keys(state):
        yield error(
            key,
            f'{path!r} holds a plain model, and nothing of it reaches the '
            'student',
            'a checkpoint of a distillation, whose keys start with '
            "'architecture.'",
            f'To start the student from plain weights set {_STUDENT_KEY} '
            '(--student-ckpt) instead of load_from',
        )
        return
    if not examined.is_distillation and has_old_keys(state):
        yield error(
            key,
            f'{path!r} holds a distillation, and nothing of it reaches the '
            'plain model',
            'a checkpoint of the model',
            'Take the student out of it with tools/export_student.py',
        )
        return
    yield from _content(examined, student, key, path)


# --------------------------------------------------------------- student_ckpt


def _student_ckpt(examined: ExaminedConfig) -> Iterator[Finding]:
    path = examined.model.get('student_ckpt')
    if not path or not examined.is_frozen_teacher:
        return
    state, fault = own_weights(path, _STUDENT_KEY)
    if fault is not None:
        yield fault
    elif state is None:
        yield not_downloaded(path, _STUDENT_KEY)
    else:
        student = student_state_dict(state)
        yield from _content(examined, student, _STUDENT_KEY, path)


def _content(
    examined: ExaminedConfig, state: Mapping[str, Tensor], key: str, path: str
) -> Iterator[Finding]:
    """Compare weights to the student, or to the model of a plain config."""
    student = examined.student
    model = student.on_meta if student else None
    if model is None:
        return
    with quiet():
        # Copying to torch's meta device does nothing, and torch warns of it.
        report = load_state(model, dict(state), repr(path))
    if report.non_finite:
        yield error(
            key,
            f'{path!r}: NaN or infinite weights in '
            f'{describe(report.non_finite)}',
            _FINITE,
            NON_FINITE_REMEDY,
        )
    if not report.matched or len(report.mis_shaped) > len(report.matched):
        yield error(
            key,
            str(report),
            f'weights of {student.key}; a head of another class count may '
            'differ',
            f'First keys that do not fit:\n{report.offenders()}',
        )
    elif report.missing or report.mis_shaped:
        yield info(key, f'{report}\n{report.offenders()}')


# ----------------------------------------------------------------- pretrained


def _pretrained(examined: ExaminedConfig) -> Iterator[Finding]:
    for key, path in _named_in_models(examined).items():
        unused = _unused(examined, key)
        try:
            file = mmengines_file(path, key)
            if file is not None:
                # Backbones read layouts of their own: any data will do.
                read_checkpoint(file, key)
        except FileNotFoundError as failure:
            if os.path.normpath(path).startswith(_CONVERTED):
                yield info(key, f'there is no file {path} yet')
            elif unused:
                yield info(key, f'there is no file {path}: {unused}')
            else:
                yield as_error(failure, key)
        except FAILURES as failure:
            yield as_error(failure, key)
        else:
            # Published configs name addresses, which are left out quietly.
            if unused and '://' not in path:
                yield info(key, f'{path!r} is not used: {unused}')


def _named_in_models(examined: ExaminedConfig) -> dict[str, Any]:
    """Return the checkpoints that parts of a model name, by config key."""
    places = [('model', examined.model)]
    for role in ROLES:
        model = getattr(examined, role)
        if model is not None:
            places.append((model.key, model.config))
    found = {}
    for start, config in places:
        for key, part in dicts(config, start):
            if type_name(part) in ('Pretrained', 'PretrainedInit'):
                found[f'{key}.checkpoint'] = part.get('checkpoint')
            elif isinstance(part.get('pretrained'), str | tuple | list):
                found[f'{key}.pretrained'] = part['pretrained']
    return found


def _unused(examined: ExaminedConfig, key: str) -> str | None:
    """Return why the weights under a key are not used, None if they are."""
    if key.startswith('model.teacher.'):
        if examined.model.get('teacher_ckpt'):
            return "the teacher's weights come from model.teacher_ckpt"
        if examined.model.get('allow_random_teacher'):
            return 'model.allow_random_teacher=True leaves them random'
    elif key.startswith('model.architecture.') and examined.model.get(
        'student_ckpt'
    ):
        return f"the student's weights come from {_STUDENT_KEY}"
    return None
