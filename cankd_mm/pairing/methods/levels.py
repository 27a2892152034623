"""What the methods on pyramids have in common."""

from collections.abc import Iterator, Sequence

from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.match import Match, Matches, described, strides


def fitting(
    matches: Matches, smallest: int, draft: Draft, most: int | None = None
) -> list[Match]:
    """Return the matches that a loss can be computed on.

    What is left out is noted.

    Args:
        matches: What was matched.
        smallest: Rows and columns that a level needs.
        draft: Where notes go.
        most: How many levels are compared, None for all.

    Raises:
        PairingError: No gradient reaches any of them, or all are too small.
    """
    fit, reasons = [], list(matches.left_out)
    for match in matches.pairs:
        level = match.student
        if not level.has_gradient:
            reasons.append(
                f"the student's {described(level)}: no gradient reaches it "
                '(its layers are frozen, or it is detached)'
            )
        elif min(*level.grid, *match.teacher.grid) < smallest:
            reasons.append(
                f"the student's {described(level)}: {level.grid} positions "
                f'are fewer than {smallest}x{smallest}'
            )
        elif len(fit) == most:
            reasons.append(
                f"the student's {described(level)}: the authors compare "
                f'{most} levels'
            )
        else:
            fit.append(match)
    if not fit:
        raise PairingError(
            'nothing can be compared: '
            + '; '.join(reasons or ['no level'])
            + '. Name another place with --at'
        )
    draft.notes += [f'left out: {reason}' for reason in reasons]
    draft.summary = summary(fit)
    return fit


def summary(matches: Sequence[Match]) -> str:
    """Return what is compared, in a line."""
    ours = list(dict.fromkeys(match.student.source for match in matches))
    others = list(dict.fromkeys(match.teacher.source for match in matches))
    names = ' and '.join(ours)
    if ours != others:
        names += f' with {" and ".join(others)}'
    return f'{names}, stride {strides(match.student for match in matches)}'


def is_one_module(matches: Sequence[Match]) -> bool:
    """Whether two modules return these levels first, in the same order."""
    for role in ('student', 'teacher'):
        levels = [getattr(match, role) for match in matches]
        if len({level.source for level in levels}) > 1:
            return False
        if [level.index for level in levels] != list(range(len(levels))):
            return False
    return True


def level_names(
    name: str, matches: Sequence[Match]
) -> Iterator[tuple[str, Match]]:
    """Yield the names of losses, one for each match.

    They end with the stride where that tells them apart, else with a number.

    Args:
        name: How each begins.
        matches: What they compare.
    """
    if len(matches) == 1:
        yield name, matches[0]
        return
    found = [match.student.stride for match in matches]
    is_unique = len(set(found)) == len(found)
    for number, match in enumerate(matches, 1):
        end = f's{match.student.stride}' if is_unique else number
        yield f'{name}_{end}', match
