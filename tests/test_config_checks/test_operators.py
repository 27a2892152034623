"""Operators that the student calls and mmcv lacks are named."""

import pytest

from cankd_mm.compat import mmcv_ops

HEAD = """
import mmcv.ops
import torch
from mmdet.models import RetinaHead
from mmdet.registry import MODELS


@MODELS.register_module(force=True)
class RotatedPredictionHead(RetinaHead):
    def predict_by_feat(self, *args, **kwargs):
        boxes = torch.rand(1, 5)
        mmcv.ops.nms_rotated(boxes, boxes[:, 0], 0.5)
        return super().predict_by_feat(*args, **kwargs)
"""


@pytest.fixture
def rotated(tmp_path, monkeypatch):
    (tmp_path / 'rotated_head.py').write_text(HEAD)
    monkeypatch.syspath_prepend(tmp_path)
    return (
        "custom_imports = dict(imports=['cankd_mm', 'rotated_head'])\n"
        "model = dict({}bbox_head=dict(type='RotatedPredictionHead'){})"
    )


@pytest.mark.skipif(
    not mmcv_ops.needed(), reason='this mmcv has every operator'
)
@pytest.mark.parametrize(
    'base, around, key',
    [
        (
            'configs/digits/cankd_retinanet.py',
            ('architecture=dict(', ')'),
            'model.architecture',
        ),
        ('configs/digits/baseline_retinanet.py', ('', ''), 'model'),
    ],
)
def test_operator_of_the_prediction_is_named(base, around, key, rotated, lint):
    code, findings = lint(rotated.format(*around), base=base)
    (finding,) = [f for f in findings if f.startswith('error')]
    assert code == 1
    assert f'{key}: mmcv was installed without' in finding
    assert 'nms_rotated in bbox_head (RotatedPredictionHead)' in finding
    assert 'mim install mmcv' in finding
