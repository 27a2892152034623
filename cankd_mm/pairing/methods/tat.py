"""TaT: necks of detectors, decoders of segmentors."""

from collections.abc import Sequence
from typing import Any

from cankd_mm.pairing.connect import connect
from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.match import Match, Matches, by_order, strides
from cankd_mm.pairing.methods.levels import fitting, is_one_module, level_names
from cankd_mm.pairing.places import decoder_level
from cankd_mm.pairing.source_text import Noted
from cankd_mm.pairing.two_models import TwoModels

# Rows and columns of a patch by stride: smaller on small maps.
_PATCHES = ((32, 8), (64, 4))
_SMALLEST_PATCH = 2
_SEGMENTATION = (
    "the authors' for DeepLabV3+ with a ResNet-18 on Pascal VOC, batch 16"
)


def draft_tat(models: TwoModels) -> Draft:
    """Put the distiller of TaT together.

    Args:
        models: The pair.

    Raises:
        PairingError: Nothing of the pair can be compared.
    """
    draft = Draft()
    found = _decoders(models) if models.is_segmentor else models.pyramids()
    matches = fitting(found, _SMALLEST_PATCH, draft)
    make = _segmentation_loss if models.is_segmentor else _detection_loss
    if is_one_module(matches) and _have_one_width(matches):
        draft.compare_modules('loss_tat', make(matches), matches[0])
        return draft
    for name, match in level_names('loss_tat', matches):
        connector = connect(
            draft,
            name.replace('loss_tat', 'to_grid'),
            match,
            models,
            project=False,
        )
        draft.compare(name, make([match]), match, connector)
    return draft


def _decoders(models: TwoModels) -> Matches:
    """The maps before the last activation of two decoders, or the stages."""
    if models.at:
        return models.chosen()
    found = [decoder_level(m) for m in (models.student, models.teacher)]
    if None in found:
        return models.last_stages()
    return by_order(found[:1], found[1:])


def _have_one_width(matches: Sequence[Match]) -> bool:
    widths = {(m.student.channels, m.teacher.channels) for m in matches}
    return len(widths) == 1 and not any(m.needs_resizing for m in matches)


def _channels(matches: Sequence[Match]) -> dict[str, Any]:
    match = matches[0]
    loss = dict(
        type='TaTLoss',
        student_channels=match.student.channels,
        teacher_channels=match.teacher.channels,
    )
    if len(matches) > 1:
        teacher = [match.teacher for match in matches]
        loss['num_levels'] = Noted(len(matches), f'strides {strides(teacher)}')
    return loss


def _detection_loss(matches: Sequence[Match]) -> dict[str, Any]:
    patches = [_patch(match) for match in matches]
    return dict(
        **_channels(matches),
        patch_size=Noted(
            patches if len(patches) > 1 else patches[0],
            'our choice: no larger than the level',
        ),
        anchor_stride=None,
        loss_weight=Noted(
            0.05, 'best on the digits; the authors have no detector'
        ),
    )


def _segmentation_loss(matches: Sequence[Match]) -> dict[str, Any]:
    grid = matches[0].teacher.grid
    side = min(8, *grid)
    stride = min(4, *grid)
    return dict(
        **_channels(matches),
        patch_size=Noted(
            (side, side), _SEGMENTATION if side == 8 else 'our choice'
        ),
        patches_per_group=1 if min(grid) < 16 else 4,
        anchor_stride=(stride, stride),
        patch_weight=1.6,
        anchor_weight=0.64,
    )


def _patch(match: Match) -> tuple[int, int]:
    level = match.teacher
    side = next((n for most, n in _PATCHES if level.stride <= most), 3)
    side = min(side, *level.grid)
    return side, side
