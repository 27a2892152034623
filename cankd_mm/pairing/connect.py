"""Connectors that bring a student's levels to the teacher's shapes."""

from collections.abc import Sequence
from typing import Any

from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.features import ModelFeatures
from cankd_mm.pairing.match import Match, described
from cankd_mm.pairing.source_text import Noted


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
    draft: Draft, name: str, match: Match, student: ModelFeatures, method: str
) -> str | None:
    """Add what brings one level to the teacher's grid and channels.

    Args:
        draft: Where the connectors go.
        name: Their name.
        match: The level, and the one that it imitates.
        student: Tells whether its images have one size.
        method: 'channels' to leave the grid, 'grid' to leave the channels,
            'both'.

    Returns:
        The name, None if nothing is needed.

    Raises:
        PairingError: Grids differ in another way than by a factor, and the
            size of images is not fixed.
    """
    parts = []
    if method != 'channels' and match.needs_resizing:
        parts.append(_resizing(draft, match, student))
    if method != 'grid' and (found := projection([match])):
        parts.append(found)
    if not parts:
        return None
    draft.distiller['connectors'][name] = (
        parts[0] if len(parts) == 1 else parts
    )
    return name


def _resizing(draft: Draft, match: Match, student: ModelFeatures) -> dict:
    ours, others = match.student, match.teacher
    height, width = student.size
    step = max(ours.stride, others.stride)
    origin = f'from stride {ours.stride} to {others.stride}'
    mode = dict(mode='area') if ours.stride < others.stride else {}
    draft.notes.append(
        f"the student's {described(ours)} is resized to the teacher's "
        f'{described(others)}'
    )
    if height % step == 0 and width % step == 0:
        factor = ours.stride / others.stride
        factor = int(factor) if factor == int(factor) else factor
        return dict(
            type='ResizeConnector', scale_factor=Noted(factor, origin), **mode
        )
    if not has_fixed_size(student):
        raise PairingError(
            f"the student's {described(ours)} has {ours.grid} positions for "
            f"an image of {student.size} pixels and the teacher's "
            f'{described(others)} {others.grid}; images of other sizes would '
            'need another factor. Name modules of one stride with --at'
        )
    draft.dry_run_size = student.size
    return dict(
        type='ResizeConnector',
        size=Noted(others.grid, f'{origin} at {height}x{width} pixels'),
        **mode,
    )


def has_fixed_size(model: ModelFeatures) -> bool:
    """Whether a recipe pads all its images to one size."""
    return getattr(model.model.data_preprocessor, 'size', None) is not None


def _channels(matches: Sequence[Match]) -> str:
    channels = [match.student.channels for match in matches]
    if len(set(channels)) == 1:
        return str(channels[0])
    return ', '.join(map(str, channels))
