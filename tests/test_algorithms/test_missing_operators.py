"""A student whose mmcv lacks an operator is refused before training."""

import mmcv.ops
import pytest
import torch
from mmdet.models import RetinaHead
from mmdet.registry import MODELS

import cankd_mm  # noqa: F401
from cankd_mm.compat import mmcv_ops
from cankd_mm.utils.missing_operators import MissingOperatorError
from tests import tiny_models

pytestmark = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='this mmcv has every operator'
)


@pytest.fixture(scope='module', autouse=True)
def heads():
    @MODELS.register_module()
    class RotatedLossHead(RetinaHead):
        def loss_by_feat(self, *args, **kwargs):
            boxes = torch.rand(1, 5)
            mmcv.ops.box_iou_rotated(boxes, boxes)
            return super().loss_by_feat(*args, **kwargs)

    @MODELS.register_module()
    class RotatedPredictionHead(RetinaHead):
        def predict_by_feat(self, *args, **kwargs):
            boxes = torch.rand(1, 5)
            mmcv.ops.nms_rotated(boxes, boxes[:, 0], 0.5)
            return super().predict_by_feat(*args, **kwargs)

    @MODELS.register_module()
    class LateHead(RetinaHead):
        operator = 'box_iou_rotated'  # no code names it

        def forward_single(self, x):
            boxes = torch.rand(1, 5)
            getattr(mmcv.ops, self.operator)(boxes, boxes)
            return super().forward_single(x)

    yield
    for head in (RotatedLossHead, RotatedPredictionHead, LateHead):
        del MODELS._module_dict[head.__name__]


def pair(student: str, teacher: str = 'RetinaHead', **changes):
    config = tiny_models.retinanet_pair(**changes)
    config.architecture.bbox_head.type = student
    config.teacher.bbox_head.type = teacher
    return config


@pytest.mark.parametrize(
    'head, operator',
    [
        ('RotatedLossHead', 'box_iou_rotated'),
        ('RotatedPredictionHead', 'nms_rotated'),
        # It is called after the neck is recorded.
        ('LateHead', 'box_iou_rotated'),
    ],
)
def test_student_is_refused(head, operator):
    with pytest.raises(MissingOperatorError) as error:
        MODELS.build(pair(head))
    assert operator in str(error.value)
    assert 'compiled' in str(error.value)


def test_check_can_be_left_out():
    MODELS.build(pair('RotatedLossHead', dry_run_size=None))


def test_head_of_a_teacher_never_runs():
    MODELS.build(pair('RetinaHead', teacher='LateHead'))
