"""Builds a distilled student without its weights, as training builds it.

What runs is the algorithm itself with its dry run. Only what looks at values
is left out: the weights of a trial are random, or there are none.
"""

import copy
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import DefaultScope
from torch import Tensor

from cankd_mm.algorithms import FrozenTeacherDistill, dry_run
from cankd_mm.algorithms.distill_losses import is_of_regions
from cankd_mm.algorithms.frozen_teacher import TEACHER_DTYPES
from cankd_mm.config_checks.meta_model import empty_weights
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.losses.finite_inputs import values_unchecked
from cankd_mm.utils.random_state import preserved_random_state

# What is not tried: weights, and the forms in which a teacher runs faster.
_LEFT_OUT = (
    '_scope_',
    'type',
    'architecture',
    'teacher',
    'teacher_ckpt',
    'student_ckpt',
    'allow_random_teacher',
    'fold_teacher_norms',
    'teacher_channels_last',
)


class LossFaults(ValueError):
    """Distill losses that do not fit what they are given.

    Attributes:
        faults: The message of each.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__('\n'.join(faults))
        self.faults = faults


class Tried(NamedTuple):
    """What a trial without an error has seen.

    Attributes:
        untried: Names of losses that need a record which no dry forward makes.
        notices: Descriptions of losses that run, and teach nothing.
    """

    untried: Sequence[str] = ()
    notices: Sequence[str] = ()


class _WithoutValues:
    """Mixed into an algorithm: it checks shapes only."""

    tried = Tried()

    def _load_teacher(self, checkpoint: str | None) -> None:
        pass

    def _report_non_finite(
        self, role: str, untried: Collection[str] = ()
    ) -> bool:
        # Not finite, so that nothing looks at the losses' values either.
        return False

    def _report_fault(self, error: ValueError, may_vanish=False) -> None:
        raise error

    def _try_losses(self, untried: Collection[str]) -> dict[str, Tensor]:
        losses, faults, left_out, notices = {}, [], [], []
        for name in self.distiller.loss_forward_mappings:
            try:
                losses[name] = dry_run.check_loss(
                    self.distiller, name, untried
                )
            except ValueError as error:
                faults.append(str(error))
            else:
                if losses[name] is None:
                    left_out.append(name)
            if is_of_regions(self.distiller, name):
                notices.append(dry_run.regions_notice(name))
        self.tried = Tried(left_out, notices)
        if faults:
            raise LossFaults(faults)
        return losses


@functools.cache
def _without_values(
    algorithm: type[FrozenTeacherDistill],
) -> type[FrozenTeacherDistill]:
    # A dry run undoes what it sets, but for these.
    results = (*algorithm._dry_run_results, 'tried')
    return type(
        algorithm.__name__,
        (_WithoutValues, algorithm),
        {'_dry_run_results': results},
    )


def try_on_meta(
    algorithm: type[FrozenTeacherDistill],
    model: Mapping[str, Any],
    scope: str,
    student: BaseModel,
    teacher: BaseModel,
) -> Tried:
    """Build a pair on torch's meta device: shapes, and no arithmetic.

    Args:
        algorithm: The class that trains the student.
        model: The distillation's config.
        scope: The registry scope of the run.
        student: It has no values; it is copied.
        teacher: Likewise.

    Returns:
        What was seen.

    Raises:
        LossFaults: Losses do not fit.
        Exception: Whatever else the algorithm raises, or torch, where a
            model cannot do without values.
    """
    return built_on_meta(algorithm, model, scope, student, teacher).tried


def built_on_meta(
    algorithm: type[FrozenTeacherDistill],
    model: Mapping[str, Any],
    scope: str,
    student: BaseModel,
    teacher: BaseModel,
) -> FrozenTeacherDistill:
    """Return the pair that :func:`try_on_meta` builds.

    Args:
        algorithm: As for :func:`try_on_meta`.
        model: As for :func:`try_on_meta`.
        scope: As for :func:`try_on_meta`.
        student: As for :func:`try_on_meta`.
        teacher: As for :func:`try_on_meta`.

    Raises:
        Exception: As :func:`try_on_meta`.
    """
    student, teacher = copy.deepcopy(student), copy.deepcopy(teacher)
    # Whose normalization is not needed for shapes.
    teacher.data_preprocessor = BaseDataPreprocessor()
    with empty_weights(scope), values_unchecked():
        return _build(algorithm, model, student, teacher)


def try_on_cpu(
    algorithm: type[FrozenTeacherDistill], model: Mapping[str, Any], scope: str
) -> Tried:
    """Build a pair with random weights, and run it on one image.

    Args:
        algorithm: The class that trains the student.
        model: The distillation's config.
        scope: The registry scope of the run.

    Returns:
        What was seen.

    Raises:
        LossFaults: Losses do not fit.
        Exception: Whatever else the algorithm raises.
    """
    with (
        quiet(),
        preserved_random_state(),
        DefaultScope.overwrite_default_scope(scope),
        values_unchecked(),
    ):
        student, teacher = (
            copy.deepcopy(model[name]) for name in ('architecture', 'teacher')
        )
        return _build(algorithm, model, student, teacher).tried


def _build(algorithm, model, student, teacher) -> FrozenTeacherDistill:
    arguments = copy.deepcopy(
        {key: value for key, value in model.items() if key not in _LEFT_OUT}
    )
    if arguments.get('teacher_dtype') in TEACHER_DTYPES:
        arguments['teacher_dtype'] = None
    return _without_values(algorithm)(
        student,
        teacher=teacher,
        allow_random_teacher=True,
        fold_teacher_norms=False,
        **arguments,
    )
