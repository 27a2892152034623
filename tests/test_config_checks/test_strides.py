"""Features that are compared have equal strides."""

import pytest

from tests import tiny_models


def body(pair, **changes) -> str:
    return f"default_scope = 'mmdet'\nmodel = {pair.to_dict()!r}"


def shifted(**kwargs):
    """RetinaNet's P3 to P7 beside Faster R-CNN's P2 to P6."""
    return tiny_models.distillation(
        tiny_models.retinanet(), tiny_models.faster_rcnn(), **kwargs
    )


def faults(findings) -> list[str]:
    return [f for f in findings if 'strides' in f]


def test_pyramids_shifted_by_a_level(lint):
    code, findings = lint(body(shifted()), base=None)
    (finding,) = faults(findings)
    assert code == 1 and finding.startswith('error')
    assert 'strides 8, 16 of the student (neck) and 4, 8 of the teacher' in (
        finding
    )
    assert "The teacher's level 1 has the stride of the student's" in finding


def test_level_of_equal_stride_is_no_fault(lint):
    pair = shifted()
    pair.distiller.distill_losses.loss_distill.num_levels = 1
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.data_idx, mapping.t_feature.data_idx = 0, 1
    assert lint(body(pair), base=None) == (0, [])


def test_resizing_on_the_way_is_no_fault(lint):
    pair = shifted()
    pair.distiller.connectors = dict(
        up=dict(type='mmrazor.ResizeConnector', scale_factor=2)
    )
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.connector = 'up'
    assert lint(body(pair), base=None) == (0, [])


def test_projection_on_the_way_resizes_nothing(lint):
    pair = shifted()
    pair.distiller.connectors = dict(
        widen=dict(
            type='mmrazor.ProjectionConnector', out_channels=16, num_levels=2
        )
    )
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.connector = 'widen'
    assert faults(lint(body(pair), base=None)[1])


def test_dilated_stage_beside_one_with_strides(lint):
    teacher = tiny_models.fcn()
    student = tiny_models.fcn()
    student.backbone.update(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1))
    pair = tiny_models.distillation(
        student,
        teacher,
        source='backbone.layer4',
        loss=tiny_models.segmentation_loss(),
    )
    _, findings = lint(body(pair), base=None)
    (finding,) = faults(findings)
    assert 'strides 32 of the student (backbone.layer4) and 8 of' in finding


@pytest.mark.parametrize(
    'loss, severity',
    [
        (dict(type='mmrazor.PKDLoss'), 'warning'),  # it resizes, unasked
        (
            dict(
                type='mmrazor.LAKDLoss',
                student_channels=16,
                teacher_channels=16,
                feature_weight=1.0,
                attention_weight=1.0,
            ),
            None,
        ),
    ],
)
def test_loss_that_takes_any_grid(lint, loss, severity):
    pair = shifted(loss=loss)
    if loss['type'] == 'mmrazor.PKDLoss':
        mapping = pair.distiller.loss_forward_mappings.loss_distill
        for old, new in (('s_feature', 'preds_S'), ('t_feature', 'preds_T')):
            mapping[new] = mapping.pop(old)
    _, findings = lint(body(pair), base=None)
    assert [f.split()[0] for f in findings] == ([severity] if severity else [])
