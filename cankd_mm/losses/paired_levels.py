"""The levels of two features that a loss compares, checked."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from cankd_mm.losses.finite_inputs import check_levels
from cankd_mm.utils.levels import as_levels, check_devices, check_same_images


def paired_levels(
    loss: nn.Module,
    s_feature: Tensor | Sequence[Tensor],
    t_feature: Tensor | Sequence[Tensor],
    num_levels: int,
    check_pair: Callable[[Tensor, Tensor, int], None],
    largest: float,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the levels of student and teacher that a loss compares.

    Args:
        loss: Its parameters have to be on the device of the features.
        s_feature: The student's level, or levels.
        t_feature: The teacher's level, or levels.
        num_levels: How many levels are compared.
        check_pair: Raises unless the levels of an index fit each other.
        largest: As for :func:`~cankd_mm.losses.finite_inputs.check_values`.

    Returns:
        The student's levels and the teacher's.

    Raises:
        ValueError: There are too few levels, a level is not of a floating
            point type or, on a CPU, not finite, or devices, images or a pair
            of levels do not fit.
        TypeError: A level is not a tensor.
    """
    students = as_levels(s_feature, num_levels, 's_feature')
    teachers = as_levels(t_feature, num_levels, 't_feature')
    check_devices(
        s_feature=students,
        t_feature=teachers,
        parameters=list(loss.parameters()),
    )
    for index, (s, t) in enumerate(zip(students, teachers, strict=True)):
        check_pair(s, t, index)
    check_same_images(students, 's_feature')
    check_levels('s_feature', students, largest)
    check_levels('t_feature', teachers, largest)
    return students, teachers
