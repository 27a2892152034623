"""LAKD: the stages of two backbones, each a local module of the student."""

from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.match import by_stage, described
from cankd_mm.pairing.methods.levels import fitting
from cankd_mm.pairing.places import levels_at
from cankd_mm.pairing.source_text import Code, Noted
from cankd_mm.pairing.stages import first_modules
from cankd_mm.pairing.two_models import TwoModels, matched


def draft_lakd(models: TwoModels) -> Draft:
    """Put distiller and truncations of LAKD together.

    Args:
        models: The pair.

    Raises:
        PairingError: The student has no stages to cut, or none of them
            matches one of the teacher's.
    """
    if models.at not in (None, 'backbone'):
        raise PairingError(
            f'--at {models.at}: LAKD cuts the stages of the backbone'
        )
    draft = Draft()
    found = (
        levels_at(models.student, 'backbone', 'student'),
        levels_at(models.teacher, 'backbone', 'teacher'),
    )
    matches = fitting(matched(by_stage(*found), *found), 1, draft)
    draft.truncations = first_modules(
        models.student, [match.student for match in matches]
    )
    count = len(matches)
    if count == 1:
        raise PairingError(
            "LAKD cuts the student's backbone between its stages, and only "
            f'{described(matches[0].student)} of its {len(found[0])} outputs '
            'is compared. Take cankd, which compares features without cuts'
        )
    if not draft.truncations:
        raise PairingError(
            "LAKD cuts the student's backbone between its stages, and between "
            f'its {count} outputs there is no module that is the only way '
            'from one to the next. Take cankd, which compares features '
            'without cuts'
        )
    if len(draft.truncations) < count - 1:
        draft.notes.append(
            f'{count} stages are compared, and {len(draft.truncations)} of '
            f'{count - 1} cuts could be made: some stages share a local module'
        )
    for number, match in enumerate(matches, 1):
        draft.compare(
            f'loss_lakd_{number}',
            dict(
                type='LAKDLoss',
                student_channels=match.student.channels,
                teacher_channels=match.teacher.channels,
                attention_weight=Noted(
                    Code(f'1 / {count}'),
                    f'the mean of {count} stages (our choice)',
                ),
                feature_weight=Noted(2.0, 'beta / alpha = 1 / 0.5'),
            ),
            match,
        )
    return draft
