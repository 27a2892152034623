"""Connectors that bring a student's levels to the teacher's shapes."""

from collections.abc import Sequence
from typing import Any

from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.match import Match, described
from cankd_mm.pairing.source_text import Noted
from cankd_mm.pairing.two_models import TwoModels


def projection(matches: Sequence[Match]) -> dict[str, Any] | None:
    """Return a connector to the teacher's channels, None if none is needed.

    Args:
        matches: The levels that pass it together.
    """
    if not any(match.needs_projection for match in matches):
        return None
    channels = [match.teacher.channels for match in matches]
    is_one = len(set(channels)) == 1
    connector = dict(
        type='ProjectionConnector',
        out_channels=Noted(
            channels[0] if is_one else channels,
            f"the teacher's; the student has {_channels(matches)}",
        ),
    )
    if len(matches) > 1:
        connector['num_levels'] = len(matches)
    return connector


def connect(
    draft: Draft,
    name: str,
    match: Match,
    models: TwoModels,
    project: bool = True,
) -> str | None:
    """Add what brings one level to the teacher's grid and channels.

    Args:
        draft: Where the connectors go.
        name: Their name.
        match: The level, and the one that it imitates.
        models: Tell which sizes images have.
        project: Whether channels are brought together, too.

    Returns:
        The name, None if nothing is needed.

    Raises:
        PairingError: Grids differ in another way than by a factor that holds
            for every image.
    """
    parts = []
    if match.needs_resizing:
        parts.append(_resizing(draft, match, models))
    if project and (found := projection([match])):
        parts.append(found)
    if not parts:
        return None
    connector = parts[0] if len(parts) == 1 else parts
    draft.distiller['connectors'][name] = connector
    return name


def _resizing(draft: Draft, match: Match, models: TwoModels) -> dict:
    student, teacher = match.student, match.teacher
    height, width = models.student.size
    origin = f'from stride {student.stride} to {teacher.stride}'
    mode = dict(mode='area') if student.stride < teacher.stride else {}
    draft.notes.append(
        f"the student's {described(student)} is resized to the teacher's "
        f'{described(teacher)}'
    )
    if _is_factor(match, models):
        factor = student.stride / teacher.stride
        factor = int(factor) if factor == int(factor) else factor
        return dict(
            type='ResizeConnector', scale_factor=Noted(factor, origin), **mode
        )
    if not models.has_one_size:
        raise PairingError(
            f"the student's {described(student)} has "
            f'{student.grid[0]}x{student.grid[1]} positions for an image of '
            f"{height}x{width} pixels and the teacher's {described(teacher)} "
            f'{teacher.grid[0]}x{teacher.grid[1]}; images of other sizes '
            'would need another factor. Name modules of one stride with --at'
        )
    draft.dry_run_size = models.student.size
    return dict(
        type='ResizeConnector',
        size=Noted(teacher.grid, f'{origin} at {height}x{width} pixels'),
        **mode,
    )


def _is_factor(match: Match, models: TwoModels) -> bool:
    """Whether one factor brings a level to the teacher's grid in any image."""
    student, teacher = match.student, match.teacher
    step = max(student.stride, teacher.stride)
    factor = student.stride / teacher.stride
    if tuple(int(side * factor) for side in student.grid) != teacher.grid:
        return False
    sides = models.student.size
    if not models.has_one_size:
        # Images of a batch are padded to a multiple of it.
        preprocessor = models.student.model.data_preprocessor
        sides = [getattr(preprocessor, 'pad_size_divisor', 1)]
    return all(side % step == 0 for side in sides)


def _channels(matches: Sequence[Match]) -> str:
    channels = [match.student.channels for match in matches]
    if len(set(channels)) == 1:
        return str(channels[0])
    return ', '.join(map(str, channels))
