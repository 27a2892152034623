"""Operators that are missing are found in the code of a model's classes."""

import functools

import mmcv._ext as ext
import mmcv.ops
import pytest
import torch
from mmcv import ops
from mmcv.ops import box_iou_rotated, nms_rotated, roi_align_rotated
from torch import nn

from cankd_mm.compat import mmcv_ops
from cankd_mm.utils.missing_operators import (
    MissingOperatorError,
    describe,
    missing_operators,
)

pytestmark = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='this mmcv has every operator'
)


def overlaps(boxes):
    return box_iou_rotated(boxes, boxes)


def wrapped(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


class Assigner:
    def assign(self, boxes):
        return [overlaps(box) for box in boxes]


class InLoss(nn.Module):
    def loss(self, boxes, scores):
        return nms_rotated(boxes, scores, 0.5)


class InItsPart(nn.Module):
    def __init__(self):
        super().__init__()
        self.assigner = Assigner()


class InAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.assigners = [Assigner()]


class InAFunctionInside(nn.Module):
    def predict(self, boxes):
        def one(box):
            return mmcv.ops.box_iou_rotated(box, box)

        return [one(box) for box in boxes]


class ThroughAModule(nn.Module):
    def predict(self, boxes):
        return ops.box_iou_rotated(boxes, boxes)


class Decorated(nn.Module):
    @wrapped
    def predict(self, boxes):
        return overlaps(boxes)


class Inherited(InLoss):
    pass


class Applied(nn.Module):
    def forward(self, x, rois):
        return roi_align_rotated(x, rois, (7, 7))


class WithALayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = mmcv.ops.RoIAlignRotated((7, 7), 1.0)


class Harmless(nn.Module):
    """Uses operators that are there, and mentions others."""

    def __init__(self, rotated=False):
        super().__init__()
        self.pool = mmcv.ops.RoIAlign((7, 7))
        if rotated:
            self.pool = mmcv.ops.RoIAlignRotated((7, 7), 1.0)

    def predict(self, boxes, scores):
        """Not by :func:`box_iou_rotated`."""
        nms_rotated = 'only a name'
        return mmcv.ops.nms(boxes, scores, 0.5), nms_rotated


@pytest.mark.parametrize(
    'kind, operator',
    [
        (InLoss, 'nms_rotated'),
        (InItsPart, 'box_iou_rotated'),
        (InAList, 'box_iou_rotated'),
        (InAFunctionInside, 'box_iou_rotated'),
        (ThroughAModule, 'box_iou_rotated'),
        (Decorated, 'box_iou_rotated'),
        (Inherited, 'nms_rotated'),
        (Applied, 'roi_align_rotated_forward'),
        (WithALayer, 'roi_align_rotated_forward'),
    ],
)
def test_operator_is_found(kind, operator):
    model = nn.Sequential(nn.Conv2d(3, 3, 1), kind())
    found = missing_operators(model)
    assert operator in found
    assert found[operator].startswith('1')
    assert f'{operator} in 1' in describe(found)


def test_nothing_is_found_where_operators_are_there():
    assert missing_operators(Harmless()) == {}
    assert missing_operators(Harmless(rotated=True))


def test_what_is_found_raises_when_it_is_called():
    boxes = torch.rand(2, 5)
    with pytest.raises(MissingOperatorError, match='box_iou_rotated'):
        overlaps(boxes)
    assert issubclass(MissingOperatorError, NotImplementedError)


def test_compiled_operators_are_not_missing(monkeypatch):
    monkeypatch.setitem(vars(ext), 'nms_rotated', lambda *args: torch.zeros(1))
    from cankd_mm.utils import missing_operators as module

    module._of_class.cache_clear()
    module._references.cache_clear()
    try:
        assert missing_operators(InLoss()) == {}
    finally:
        module._of_class.cache_clear()
        module._references.cache_clear()
