"""CSKD: the teacher's class logits teach the student's patches."""

from typing import Any

from torch import nn

from cankd_mm.pairing.draft import Draft
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.features import Level
from cankd_mm.pairing.match import described
from cankd_mm.pairing.places import last_stage, levels_at, logits_level
from cankd_mm.pairing.source_text import Noted
from cankd_mm.pairing.two_models import TwoModels

# Heads whose forward gives probabilities in the place of logits, whose class
# logits say nothing of background (an objectness does), or that take one image
# at a time.
_OTHER_FORWARDS = {
    'TOODHead',
    'AutoAssignHead',
    'YOLOXHead',
    'GuidedAnchorHead',
}
_LABELS = 'mmseg.models.decode_heads.decode_head.BaseDecodeHead'
_LABELS_METHOD = '_stack_batch_gt'


def draft_cskd(models: TwoModels) -> Draft:
    """Put the distiller of CSKD together.

    Args:
        models: The pair.

    Raises:
        PairingError: The models have different classes, or the teacher has no
            class logits at each position.
    """
    classes, others = models.classes
    if None in models.classes or classes != others:
        raise PairingError(
            "CSKD teaches the teacher's class logits, so both models need the "
            f'same classes: the student has {_count(classes)} and the teacher '
            f'{_count(others)}. Take a teacher of the same classes, or a '
            'method that compares features (cankd, tat, lakd)'
        )
    draft = Draft()
    patches = _patches(models)
    draft.distiller['connectors']['classify'] = dict(
        type='PatchClassifierConnector', num_classes=classes
    )
    mapping = dict(
        s_feature=draft.record('student', patches, connector='classify')
    )
    loss: dict[str, Any] = dict(
        type='CSKDLoss',
        num_classes=Noted(classes, "the teacher's and the student's"),
        global_term=Noted('decoupled', 'for dense prediction (our extension)'),
        hard=False,
    )
    if models.is_segmentor:
        logits = _segmentor_logits(models, classes)
        if _has_sigmoid(models):
            loss['activation'] = Noted('sigmoid', "as the teacher's loss")
        mapping['t_feature'] = draft.record('teacher', logits)
        if _stacks_labels(models):
            mapping['labels'] = draft.record_module(
                'student',
                f'{_LABELS}.{_LABELS_METHOD}',
                kind='MethodOutputs',
                name='labels',
            )
        place = logits.source
    else:
        place = _dense_head(models, classes)
        mapping['t_feature'] = draft.record_module(
            'teacher', place, 0, kind='MethodOutputs', name='logits'
        )
        draft.distiller['connectors']['classify']['prior_probability'] = 0.01
        loss['activation'] = Noted('sigmoid', "the head's classes")
        draft.notes.append('on the digits CSKD did not improve a detector')
    draft.distiller['distill_losses']['loss_cskd'] = loss
    draft.distiller['loss_forward_mappings']['loss_cskd'] = mapping
    head = '.'.join(place.split('.')[-2:])
    draft.summary = f'{described(patches)} with the logits of {head}'
    return draft


def _count(classes: int | None) -> str:
    return 'an unknown number' if classes is None else str(classes)


def _patches(models: TwoModels) -> Level:
    """The map whose positions are classified."""
    if models.at and '=' in models.at:
        raise PairingError(
            f"--at {models.at}: CSKD takes the student's module only; what "
            'teaches it are the class logits of the teacher'
        )
    if models.at:
        level = levels_at(models.student, models.at, 'student')[-1]
    elif models.is_segmentor:
        level = last_stage(models.student, 'student')
    else:
        level = levels_at(models.student, 'backbone', 'student')[-1]
    if not level.has_gradient:
        raise PairingError(
            f"the student's {described(level)} is frozen: no gradient reaches "
            'it. Name another module with --at'
        )
    return level


def _segmentor_logits(models: TwoModels, classes: int) -> Level:
    level = logits_level(models.teacher, classes)
    if level is None:
        raise PairingError(
            f'the teacher ({type(models.teacher.model).__name__}, '
            f'{_head_name(models, "decode_head")}) makes no map of class '
            'logits (decode_head.conv_seg) in its forward, which CSKD '
            'teaches. Take a teacher with a head such as FCN, PSPNet or '
            'DeepLabV3'
        )
    return level


def _has_sigmoid(models: TwoModels) -> bool:
    """Whether the teacher's classes do not exclude each other."""
    head = models.teacher.model.decode_head
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    losses = getattr(head, 'loss_decode', None)
    losses = losses if isinstance(losses, nn.ModuleList) else [losses]
    return any(getattr(loss, 'use_sigmoid', False) for loss in losses)


def _dense_head(models: TwoModels, classes: int) -> str:
    """Name the method that gives the class logits of all levels."""
    head = getattr(models.teacher.model, 'bbox_head', None)
    channels = getattr(head, 'cls_out_channels', None)
    kinds = {kind.__name__ for kind in type(head).__mro__}
    is_dense = 'BaseDenseHead' in kinds and not kinds & _OTHER_FORWARDS
    # Its mask head follows, and runs with labels only.
    is_dense &= not hasattr(models.teacher.model, 'mask_head')
    is_sigmoid = getattr(head, 'use_sigmoid_cls', None)
    if is_sigmoid is None:
        is_sigmoid = channels == classes
    if not is_dense or not is_sigmoid or channels != classes:
        found = 'no bbox_head' if head is None else type(head).__name__
        raise PairingError(
            f'the teacher ({type(models.teacher.model).__name__}, {found}) '
            'has no dense head with a sigmoid for each class, whose logits at '
            'each position CSKD teaches. Take a teacher such as RetinaNet, '
            'FCOS, GFL or RTMDet'
        )
    owner = next(
        kind for kind in type(head).__mro__ if 'forward' in vars(kind)
    )
    return f'{owner.__module__}.{owner.__qualname__}.forward'


def _head_name(models: TwoModels, name: str) -> str:
    head = getattr(models.teacher.model, name, None)
    return f'no {name}' if head is None else type(head).__name__


def _stacks_labels(models: TwoModels) -> bool:
    """Whether the student's loss stacks label maps, which are recorded."""
    head = getattr(models.student.model, 'decode_head', None)
    heads = head if isinstance(head, nn.ModuleList) else [head]
    return any(_stacks(type(part)) for part in heads)


def _stacks(head: type) -> bool:
    """Whether the loss of a head calls mmseg's method that stacks labels."""
    stack = getattr(head, _LABELS_METHOD, None)
    # PIDNet's head has a method of its own, for edges too.
    if not getattr(stack, '__qualname__', '').startswith('BaseDecode'):
        return False
    for kind in head.__mro__:
        code = getattr(vars(kind).get('loss_by_feat'), '__code__', None)
        if code is None:
            continue
        if _LABELS_METHOD in code.co_names:
            return True
        if 'super' not in code.co_names:
            return False
    return False
