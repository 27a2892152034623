"""The teacher's weights belong to its config."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from torch import Tensor

from cankd_mm.checkpoint.finite_weights import (
    NON_FINITE_REMEDY,
    NonFinite,
    describe,
    non_finite_tensors,
)
from cankd_mm.config.class_heads import class_counts
from cankd_mm.config_checks.examined_config import (
    ExaminedConfig,
    ModelConfig,
)
from cankd_mm.config_checks.finding import Finding, error, warning
from cankd_mm.config_checks.meta_model import meta_model
from cankd_mm.config_checks.published_weights import (
    backbones,
    data_sets,
    file_name,
    listed_configs,
)
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.config_checks.weights_file import (
    not_downloaded,
    own_weights,
)
from cankd_mm.utils.checkpoint import (
    LoadReport,
    load_state,
    student_state_dict,
)
from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.config_walk import dicts
from cankd_mm.utils.model_config import model_config_from_file

KEY = 'model.teacher_ckpt'
# As FrozenTeacherDistill: under this share a teacher teaches noise.
_MIN_COVERAGE = 0.99
_REMEDY = 'Change model.teacher_ckpt or model.teacher'


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find weights of another model, data set or class count, or none."""
    path, teacher = examined.model.get('teacher_ckpt'), examined.teacher
    if teacher is None:
        return
    if not path:
        yield from _no_weights(examined)
        return
    listed: list[Path] = []
    if isinstance(path, str) and '://' in path:
        listed = listed_configs(path)
        yield from _address(examined, teacher, path, listed)
    state, fault = own_weights(path, KEY)
    if fault is not None:
        yield fault
    elif state is None and not listed:
        yield not_downloaded(path, KEY)
    if state is not None:
        student = student_state_dict(state)
        yield from _content(examined, teacher, student, path)


def _no_weights(examined: ExaminedConfig) -> Iterator[Finding]:
    if examined.is_frozen_teacher:
        if not examined.model.get('allow_random_teacher'):
            yield error(
                f'{KEY}=None',
                'the teacher has no weights',
                'its checkpoint: a file, package::path or a URL',
                'To train with random weights all the same say '
                'model.allow_random_teacher=True',
            )
        return
    given = examined.model.get('teacher') or {}
    config = examined.teacher.config
    if not given.get('pretrained') and not config.get('init_cfg'):
        yield warning(
            f'{KEY}=None',
            'the teacher has no weights',
            'its checkpoint',
        )


# ------------------------------------------------------------------ addresses


def _address(
    examined: ExaminedConfig,
    teacher: ModelConfig,
    url: str,
    listed: list[Path],
) -> Iterator[Finding]:
    """Compare what is known of an address to the teacher's config."""
    named = (examined.model.get('teacher') or {}).get('cfg_path')
    if named and Path(resolve_path(named, KEY)).resolve() not in listed:
        if not listed:
            yield from _contradiction(named, url, 'backbone', backbones)
        yield from _contradiction(named, url, 'data set', data_sets)
    if listed and not _fits_one(teacher, listed):
        yield error(
            KEY,
            f'{file_name(url)}, published for {listed[0].name}',
            'weights of model.teacher, which has other shapes',
            _REMEDY,
        )


def _contradiction(
    config: str, url: str, what: str, names: Callable[[str], set[str]]
) -> Iterator[Finding]:
    """Compare what two names have in common."""
    ours, theirs = names(config), names(url)
    if ours and theirs and not ours & theirs:
        yield warning(
            KEY,
            f'{file_name(url)}, by its name of {what} '
            f'{", ".join(sorted(theirs))}',
            f'{", ".join(sorted(ours))}, as in {config}',
            _REMEDY,
        )


def _fits_one(teacher: ModelConfig, configs: list[Path]) -> bool:
    """Whether the model of some config has the teacher's shapes.

    True where that cannot be known.
    """
    ours = _shapes(teacher.on_meta)
    for path in configs:
        try:
            model, scope = model_config_from_file(dict(cfg_path=str(path)), '')
        except (FileNotFoundError, ValueError):
            return True
        theirs = _shapes(meta_model(model, scope))
        if ours is None or theirs is None or theirs == ours:
            return True
    return False


def _shapes(model) -> dict[str, torch.Size] | None:
    if model is None:
        return None
    return {key: value.shape for key, value in model.state_dict().items()}


# -------------------------------------------------------------------- content


def _content(
    examined: ExaminedConfig,
    teacher: ModelConfig,
    state: Mapping[str, Tensor],
    path: str,
) -> Iterator[Finding]:
    """Compare the weights in a file to the teacher."""
    model = teacher.on_meta
    if model is None:
        yield from _values(examined, non_finite_tensors(state), path)
        return
    with quiet():
        # Copying to torch's meta device does nothing, and torch warns of it.
        report = load_state(model, dict(state), path)
    yield from _values(examined, report.non_finite, path)
    yield from _shapes_of(teacher, report, path)


def _values(
    examined: ExaminedConfig, found: list[NonFinite], path: str
) -> Iterator[Finding]:
    """Report weights that are not finite."""
    if not found:
        return
    # A teacher that is not used does no harm.
    severity = warning if examined.model.get('distill_weight') == 0 else error
    yield severity(
        KEY,
        f'{path!r}: NaN or infinite weights in {describe(found)}',
        'finite numbers',
        NON_FINITE_REMEDY,
    )


def _shapes_of(
    teacher: ModelConfig, report: LoadReport, path: str
) -> Iterator[Finding]:
    """Compare the shapes in a file to the teacher's."""
    heads = class_counts(teacher.config)
    found = _classes_in(report, teacher, heads)
    if found is not None:
        yield error(
            f'{teacher.key}.{next(iter(heads))}.num_classes',
            f'{next(iter(heads.values()))}, but {file_name(path)} has '
            f'{found} classes',
            "the checkpoint's count, or a checkpoint of this one",
            "The teacher's count is its own: the student's may differ",
        )
        # Heads of other counts never fit; whether the rest does matters.
        report.mis_shaped = [
            entry
            for entry in report.mis_shaped
            if entry[0] not in _class_shaped(teacher, heads)
        ]
    rest = report.mis_shaped or report.missing
    if rest and (not report.matched or report.coverage < _MIN_COVERAGE):
        yield error(
            KEY,
            f'{report}',
            f'at least {100 * _MIN_COVERAGE:.0f} %',
            'The checkpoint does not belong to this teacher. First keys '
            f'that do not fit:\n{report.offenders()}',
        )


def _classes_in(
    report: LoadReport, teacher: ModelConfig, heads: Mapping[str, int]
) -> int | None:
    """The class count that explains the mis-shaped keys, if one does."""
    if len(set(heads.values())) != 1:
        return None
    count = next(iter(heads.values()))
    shaped = _class_shaped(teacher, heads)
    counts = set()
    for key, theirs, ours in report.mis_shaped:
        if key not in shaped or len(theirs) != len(ours):
            continue
        for size, own, more in zip(theirs, ours, shaped[key], strict=True):
            per_class = more - own
            if per_class:
                counts.add(count + (size - own) / per_class)
    if len(counts) == 1:
        (found,) = counts
        return int(found) if found == int(found) > 0 else None
    return None


def _class_shaped(
    teacher: ModelConfig, heads: Mapping[str, int]
) -> dict[str, torch.Size]:
    """Weights whose shapes follow the class count, with one class more."""
    config = ConfigDict(teacher.config).copy()
    config = ConfigDict(config.to_dict())
    for key, part in dicts(config):
        if key in heads:
            part['num_classes'] += 1
    model = teacher.on_meta
    with_one_more = _shapes(meta_model(config, teacher.scope))
    if model is None or with_one_more is None:
        return {}
    return {
        key: with_one_more[key]
        for key, shape in _shapes(model).items()
        if key in with_one_more and with_one_more[key] != shape
    }
