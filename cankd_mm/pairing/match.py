"""Finds which levels of two models belong together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cankd_mm.pairing.features import Level

# A map that is resized by more shows nothing of what it was.
_FARTHEST = 4


@dataclass(frozen=True)
class Match:
    """A level of the student and the one of the teacher that it imitates."""

    student: Level
    teacher: Level

    @property
    def needs_projection(self) -> bool:
        """Whether their channels differ."""
        return self.student.channels != self.teacher.channels

    @property
    def needs_resizing(self) -> bool:
        """Whether their grids differ."""
        return self.student.grid != self.teacher.grid


@dataclass(frozen=True)
class Matches:
    """Matches, and what is without one.

    Attributes:
        pairs: In the student's order.
        left_out: Descriptions of the levels without a counterpart.
    """

    pairs: tuple[Match, ...]
    left_out: tuple[str, ...] = ()


def by_stride(student: Sequence[Level], teacher: Sequence[Level]) -> Matches:
    """Match levels of one stride; of several the last with the last.

    Args:
        student: The student's levels.
        teacher: The teacher's.
    """
    found = {}
    for stride in {level.stride for level in student}:
        ours = [level for level in student if level.stride == stride]
        others = [level for level in teacher if level.stride == stride]
        # A dilated backbone has several, of which the last is the deepest.
        for a, b in zip(reversed(ours), reversed(others), strict=False):
            found[id(a)] = Match(a, b)
    pairs = tuple(found[id(level)] for level in student if id(level) in found)
    return Matches(pairs, tuple(_left_out(pairs, student, teacher)))


def closest(student: Sequence[Level], teacher: Sequence[Level]) -> Matches:
    """Match the two levels whose strides differ least, if by no more than 4.

    Args:
        student: The student's levels.
        teacher: The teacher's.
    """
    pairs = [Match(a, b) for a in student for b in teacher]
    best = min(pairs, key=_stride_ratio)
    return Matches((best,) if _stride_ratio(best) <= _FARTHEST else ())


def _stride_ratio(match: Match) -> float:
    strides = match.student.stride, match.teacher.stride
    return max(strides) / min(strides)


def by_order(student: Sequence[Level], teacher: Sequence[Level]) -> Matches:
    """Match the first level with the first, and so on.

    Args:
        student: The student's levels.
        teacher: The teacher's, as many.
    """
    return Matches(
        tuple(Match(a, b) for a, b in zip(student, teacher, strict=True))
    )


def by_stage(student: Sequence[Level], teacher: Sequence[Level]) -> Matches:
    """Match the stages of two backbones.

    Equally many are matched in their order, whatever their strides: a dilated
    backbone has its fourth stage at stride 8. Otherwise strides decide.

    Args:
        student: The student's levels.
        teacher: The teacher's.
    """
    if len(student) == len(teacher):
        return by_order(student, teacher)
    return by_stride(student, teacher)


def described(level: Level) -> str:
    """Return a level's module, index and stride in words."""
    index = '' if level.index is None else f'[{level.index}]'
    return f'{level.source}{index} (stride {level.stride})'


def strides(levels: Iterable[Level]) -> str:
    """Return the strides of levels as text: '8, 16, 32'."""
    return ', '.join(str(level.stride) for level in levels)


def _left_out(pairs, student, teacher) -> Iterable[str]:
    for role, other, levels in (
        ('student', 'teacher', student),
        ('teacher', 'student', teacher),
    ):
        matched = {id(getattr(pair, role)) for pair in pairs}
        for level in levels:
            if id(level) not in matched:
                has_stride = any(
                    getattr(pair, role).stride == level.stride
                    for pair in pairs
                )
                reason = (
                    'a later level of this stride is compared'
                    if has_stride
                    else f'the {other} has no level of this stride'
                )
                yield f"the {role}'s {described(level)}: {reason}"
