"""Whose fault a failure is."""

import re
from collections.abc import Mapping
from typing import NamedTuple

TRAINS = 'trains'
_STAGES = ('build', 'loss', 'prediction')
#: Families that no teacher can distil on single images, and why.
NOT_APPLICABLE = {
    **dict.fromkeys(
        ('mmdet/mask2former_vis', 'mmdet/masktrack_rcnn', 'mmdet/qdtrack'),
        "trains on clips, and has no mode 'tensor', in which a teacher runs",
    ),
    'mmdet/soft_teacher': 'semi-supervised: a student and a teacher inside',
}
_PACKAGES = (
    'mmpretrain',
    'transformers',
    'detectron2',
    'lap',
    'fairscale',
    'diffusers',
    'timm',
    'torchvision',
    'nltk',
    'open_clip',
    'motmetrics',
    'TrackEval',
)
# The module of Stable Diffusion that VPD imports.
_UNNAMED = {'To use VPD model': 'ldm'}
_OPERATOR = re.compile(r'mmcv operator `\w+`|mmcv was installed without')
_MISSING = re.compile(
    r'No module named|[Pp]lease (?:run|install)|is not installed'
    r'|required packages|pip install|[Ff]ailed to import'
)


class Outcome(NamedTuple):
    """The last columns of the table."""

    result: str
    fault: str
    error: str


def described(error: BaseException) -> str:
    """An exception as one line."""
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text}'[:600]


def succeeded(stages: Mapping[str, str]) -> bool:
    """Whether a model got through all stages."""
    return all(stages.get(stage) == 'ok' for stage in _STAGES)


def first_failure(stages: Mapping[str, str]) -> tuple[str, str]:
    """The first stage that failed or was not reached, and its error."""
    for stage in _STAGES:
        if stages.get(stage) != 'ok':
            return stage, stages.get(stage, '')
    return '', ''


def missing_package(error: str) -> str:
    """The package that an error asks for, or ''."""
    if _OPERATOR.search(error):
        return 'compiled mmcv'
    for text, name in _UNNAMED.items():
        if text in error:
            return name
    if _MISSING.search(error):
        for name in _PACKAGES:
            if re.search(rf'\b{name}\b', error, re.IGNORECASE):
                return name
        found = re.search(r"No module named '([\w.]+)'", error)
        if found:
            return found[1]
    return ''


def outcome(record: Mapping) -> Outcome:
    """Judge a record of :func:`tests.families.trial.attempt`.

    'trains' is what has been seen to train and to predict under a teacher.
    Every failure is attributed to one of: ours, plain, needs PACKAGE, config,
    not applicable, timeout.
    """
    plain, distilled = record['plain'], record['distilled']
    if succeeded(distilled):
        return Outcome(TRAINS, '', '')
    ended = record.get('ended', '')
    if record['config_error']:
        return _result('config', record['config_error'], 'config')
    stage, error = first_failure(distilled)
    plain_stage, plain_error = first_failure(plain)
    if plain_stage == 'build':
        return _result('build', plain_error or ended, 'config', ended)
    family = record['family']
    if family in NOT_APPLICABLE:
        reason = NOT_APPLICABLE[family]
        return Outcome(stage, 'not applicable', reason)
    if ended:
        where = record.get('running', '')
        return _result(where, error or plain_error or ended, 'ours', ended)
    is_plain = bool(plain_stage) and (
        # Not reached, or not before the plain model fails too.
        not distilled
        or _STAGES.index(plain_stage) <= _STAGES.index(stage)
        or _core(plain_error) in error
    )
    if not is_plain:
        return _result(stage, error, 'ours')
    if not distilled:
        return _result(plain_stage, plain_error, 'plain')
    return _result(stage, plain_error, 'plain')


def _result(stage: str, error: str, fault: str, ended: str = '') -> Outcome:
    if ended == 'timeout':
        return Outcome(stage, 'timeout', f'in {stage}')
    package = missing_package(error)
    # An error of the distilled model only is this package's to name.
    if package and fault != 'ours':
        fault = f'needs {package}'
    return Outcome(stage, fault, error)


def _core(error: str) -> str:
    """The message without its type, as another error may quote it."""
    return error.partition(': ')[2] or error
