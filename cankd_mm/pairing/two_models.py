"""The two models of a pair, as the methods see them."""

from collections.abc import Sequence
from dataclasses import dataclass

from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.features import Level, ModelFeatures
from cankd_mm.pairing.match import (
    Matches,
    by_order,
    by_stage,
    by_stride,
    closest,
)
from cankd_mm.pairing.places import last_stage, levels_at, pyramid


@dataclass(frozen=True)
class TwoModels:
    """A student and a teacher whose features are known.

    Attributes:
        student: As training records it.
        teacher: As it runs beside the student.
        is_segmentor: Whether the student labels pixels.
        has_one_size: Whether the student's recipe brings all its images to
            one size.
        classes: How many classes the student and the teacher have, None
            where their heads do not tell.
        at: The place that a user has chosen: 'neck', 'backbone', 'decoder',
            a module of both, or ``STUDENT_MODULE=TEACHER_MODULE``.
    """

    student: ModelFeatures
    teacher: ModelFeatures
    is_segmentor: bool
    has_one_size: bool = False
    classes: tuple[int | None, int | None] = (None, None)
    at: str | None = None

    def chosen(self) -> Matches:
        """Match the place that ``at`` names.

        Raises:
            PairingError: There is no such place, or nothing of it matches.
        """
        ours, _, others = self.at.partition('=')
        found = (
            levels_at(self.student, ours, 'student'),
            levels_at(self.teacher, others or ours, 'teacher'),
        )
        # One level each: whatever its stride, this is what was asked for.
        if len(found[0]) == len(found[1]) == 1:
            return by_order(*found)
        match = by_stage if ours == 'backbone' else by_stride
        return matched(match(*found), *found)

    def pyramids(self) -> Matches:
        """Match the levels of two detectors' necks.

        Those of one stride, or else the two closest, one of which a connector
        resizes.

        Raises:
            PairingError: Their strides are too far apart.
        """
        if self.at:
            return self.chosen()
        found = (
            pyramid(self.student, 'student'),
            pyramid(self.teacher, 'teacher'),
        )
        matches = by_stride(*found)
        if not matches.pairs:  # one map of a stride that the other lacks
            matches = closest(*found)
        return matched(matches, *found)

    def last_stages(self) -> Matches:
        """Match the last stages of two segmentors' backbones."""
        if self.at:
            return self.chosen()
        return by_order(
            [last_stage(self.student, 'student')],
            [last_stage(self.teacher, 'teacher')],
        )


def matched(
    matches: Matches, student: Sequence[Level], teacher: Sequence[Level]
) -> Matches:
    """Return matches, if there is one.

    Args:
        matches: What was found.
        student: The student's levels.
        teacher: The teacher's.

    Raises:
        PairingError: There is none.
    """
    if matches.pairs:
        return matches
    ours, others = (
        sorted({level.stride for level in levels})
        for levels in (student, teacher)
    )
    raise PairingError(
        f'no level of the student ({student[0].source}: strides {ours}) has '
        f'the stride of a level of the teacher ({teacher[0].source}: strides '
        f'{others}). Name two modules with --at STUDENT_MODULE=TEACHER_MODULE'
    )
