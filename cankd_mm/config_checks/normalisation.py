"""The teacher sees images as in its own training."""

from collections.abc import Iterator, Mapping

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, info, warning


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds a teacher whose images are normalised for the student."""
    teacher, student = examined.teacher, examined.student
    if teacher is None or student is None:
        return
    theirs = teacher.config.get('data_preprocessor')
    given = examined.model.get(
        'data_preprocessor', examined.cfg.get('data_preprocessor')
    )
    ours = student.config.get('data_preprocessor') or given
    if given and not examined.is_frozen_teacher:
        # MMRazor's algorithms use it in place of the student's.
        ours = given
    if not isinstance(theirs, Mapping) or not isinstance(ours, Mapping):
        return
    ours, theirs = _normalisation(ours), _normalisation(theirs)
    different = [key for key in ours if ours[key] != theirs[key]]
    if not different:
        return
    found = "other than the student's: " + ', '.join(
        f'{key} {theirs[key]} (student {ours[key]})' for key in different
    )
    key = f'{teacher.key}.data_preprocessor'
    if examined.is_frozen_teacher:
        yield info(key, f'{found}. The teacher gets its own')
    else:
        yield warning(
            key,
            f'{found}. {examined.algorithm} shows the teacher images '
            'normalised for the student',
            'equal ones',
            "Take type='mmrazor.FrozenTeacherDistill', which gives the "
            'teacher its own',
        )


def _normalisation(preprocessor: Mapping) -> dict:
    """What a data preprocessor's config does to the values of an image."""
    mean, std = preprocessor.get('mean'), preprocessor.get('std')
    return dict(
        mean=_numbers(mean) if mean is not None else 0.0,
        std=_numbers(std) if std is not None else 1.0,
        swaps_channels=any(
            bool(preprocessor.get(key))
            for key in ('bgr_to_rgb', 'rgb_to_bgr', 'to_rgb')
        ),
    )


def _numbers(values) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
