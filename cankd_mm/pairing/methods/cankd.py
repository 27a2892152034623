"""CanKD: necks of detectors, last stages of segmentors."""

from collections.abc import Sequence
from typing import Any

from cankd_mm.pairing.connect import connect, projection
from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.match import Match, strides
from cankd_mm.pairing.methods.levels import fitting, is_one_module, level_names
from cankd_mm.pairing.source_text import Noted
from cankd_mm.pairing.two_models import TwoModels

# As many as the authors compare.
_MOST_LEVELS = 4
# Keys are pooled over windows of two by two.
_SMALLEST = 2


def draft_cankd(models: TwoModels) -> Draft:
    """Put the distiller of CanKD together.

    Args:
        models: The pair.

    Raises:
        PairingError: Nothing of the pair can be compared.
    """
    draft = Draft()
    is_segmentor = models.is_segmentor
    found = models.last_stages() if is_segmentor else models.pyramids()
    matches = fitting(found, _SMALLEST, draft, _MOST_LEVELS)
    if is_one_module(matches) and _have_one_width(matches):
        _compare_modules(draft, matches)
    else:
        for name, match in level_names('loss_cankd', matches):
            connector = connect(
                draft,
                name.replace('loss_cankd', 'to_teacher'),
                match,
                models,
            )
            draft.compare(name, _loss([match]), match, connector)
    return draft


def _compare_modules(draft: Draft, matches: Sequence[Match]) -> None:
    connector = projection(matches)
    if connector:
        draft.distiller['connectors']['to_teacher'] = connector
    draft.compare_modules(
        'loss_cankd',
        _loss(matches),
        matches[0],
        'to_teacher' if connector else None,
    )


def _have_one_width(matches: Sequence[Match]) -> bool:
    return len({match.teacher.channels for match in matches}) == 1 and not any(
        match.needs_resizing for match in matches
    )


def _loss(matches: Sequence[Match]) -> dict[str, Any]:
    teacher = [match.teacher for match in matches]
    loss = dict(
        type='CanKDLoss',
        in_channels=Noted(teacher[0].channels, "the teacher's channels"),
    )
    if len(matches) > 1:
        loss['num_levels'] = Noted(len(matches), f'strides {strides(teacher)}')
    loss['loss_weight'] = Noted(5.0, "the paper's mu")
    return loss
