"""The tool finds what keeps a pair from starting, before it is built."""

import pytest

from cankd_mm.compat import mmcv_ops
from tests import tiny_models

DISTILLER = 'model.distiller'
LOSS = f'{DISTILLER}.distill_losses.loss_distill'
MAPPING = f'{DISTILLER}.loss_forward_mappings.loss_distill'

ROTATED = """
import mmcv.ops
from mmdet.models import FPN, RetinaHead
from mmdet.registry import MODELS


class Rotated:
    def forward(self, inputs):
        boxes = inputs[0].new_zeros(1, 5)
        mmcv.ops.nms_rotated(boxes, boxes[:, 0], 0.5)
        return super().forward(inputs)


@MODELS.register_module(force=True)
class RotatedFPN(Rotated, FPN):
    pass


@MODELS.register_module(force=True)
class RotatedRetinaHead(Rotated, RetinaHead):
    pass
"""


def body(pair) -> str:
    return f"default_scope = 'mmdet'\nmodel = {pair.to_dict()!r}"


def detectors(**kwargs):
    return tiny_models.retinanet_pair(**kwargs)


def segmentors(**kwargs):
    return tiny_models.fcn_pair(**kwargs)


def other_widths():
    """The teacher's pyramid has 24 channels, the student's 16."""
    return tiny_models.distillation(
        tiny_models.retinanet(), tiny_models.retinanet(channels=24)
    )


def too_few_levels():
    loss = dict(type='mmrazor.CanKDLoss', in_channels=16, num_levels=6)
    return detectors(loss=loss)


def no_fourth_stage():
    """The student's backbone ends with its third stage."""
    pair = segmentors()
    pair.architecture.backbone.update(
        num_stages=3,
        out_indices=(0, 1, 2),
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
    )
    pair.architecture.decode_head.update(in_channels=32, in_index=2)
    return pair


def misspelt_source():
    pair = detectors()
    pair.distiller.teacher_recorders.features.source = 'nek'
    return pair


def module_that_is_never_called():
    pair = detectors()
    pair.distiller.student_recorders.features.source = 'neck.fpn_convs'
    return pair


def no_such_call():
    pair = detectors()
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.t_feature.record_idx = 1
    return pair


def connector_of_other_channels():
    pair = detectors()
    pair.distiller.connectors = dict(
        widen=dict(
            type='mmrazor.ProjectionConnector',
            in_channels=24,
            out_channels=16,
            num_levels=2,
        )
    )
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.connector = 'widen'
    return pair


def lazy_connector_without_a_dry_run():
    pair = connector_of_other_channels()
    pair.distiller.connectors.widen.in_channels = None
    pair.dry_run_size = None
    return pair


def levels_for_a_loss_of_one_map():
    loss = dict(type='mmrazor.ChannelWiseDivergence')
    pair = detectors(loss=loss)
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    for old, new in (('s_feature', 'preds_S'), ('t_feature', 'preds_T')):
        mapping[new] = mapping.pop(old)
    return pair


def misspelt_loss():
    return detectors(loss=dict(type='mmrazor.CanKDLos', in_channels=16))


def misspelt_argument():
    return detectors(
        loss=dict(type='mmrazor.CanKDLoss', in_channels=16, loss_wieght=2.0)
    )


def value_out_of_range():
    return detectors(
        loss=dict(type='mmrazor.CanKDLoss', in_channels=16, num_levels=0)
    )


def misspelt_feature():
    pair = detectors()
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.s_feat = mapping.pop('s_feature')
    return pair


def no_teacher_feature():
    pair = detectors()
    pair.distiller.loss_forward_mappings.loss_distill.pop('t_feature')
    return pair


def misspelt_algorithm():
    return detectors(type='mmrazor.FrozenTeacherDistil')


def misspelt_algorithm_argument():
    return detectors(distil_weight=0.5)


def misspelt_backbone():
    pair = detectors()
    pair.teacher.backbone.type = 'ResNett'
    return pair


def image_too_small():
    """A head that pools windows of 32 by 32."""
    pair = segmentors(dry_run_size=(8, 8))
    pair.architecture.decode_head = dict(
        type='LRASPPHead',
        in_channels=(8, 16, 64),
        in_index=(0, 1, 3),
        channels=16,
        num_classes=4,
        input_transform='multiple_select',
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    loss = pair.distiller.student_recorders
    loss.features.source = 'decode_head.conv_seg'
    return pair


def inherited_from_another_width():
    return detectors(inherit=['backbone'])


def truncation_of_no_module():
    return detectors(
        type='mmrazor.LocalModuleDistill',
        truncations=[dict(module='backbone.layer9')],
    )


def unused_name_of_a_method():
    pair = connector_of_other_channels()
    connectors = pair.distiller.connectors
    connectors['to'] = connectors.pop('widen')
    connectors['to'].in_channels = 16
    mapping = pair.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.connector = 'to'
    return pair


CASES = {
    other_widths: [
        f'{LOSS}: does not fit',
        "student 'neck' [(1, 16, 8, 8)",
        "teacher 'neck' [(1, 24, 8, 8)",
        'ProjectionConnector',
    ],
    too_few_levels: [f'{LOSS}: does not fit', '6', '5'],
    no_fourth_stage: [
        f"{DISTILLER}.student_recorders.features.source: 'backbone.layer4' is "
        'not in the student (EncoderDecoder)',
        "'backbone.layer3'",
    ],
    misspelt_source: [
        f"{DISTILLER}.teacher_recorders.features.source: 'nek' is not in the "
        'teacher (RetinaNet)',
        "['neck'",
    ],
    module_that_is_never_called: [
        f'{DISTILLER}.student_recorders.features.source',
        'is a ModuleList, which is never called itself',
        'neck.fpn_convs.0',
    ],
    no_such_call: [
        f"{DISTILLER}.teacher_recorders.features.source: 'neck' is recorded 1 "
        'times',
        '2 records are used',
    ],
    connector_of_other_channels: [
        f'{LOSS}: does not fit',
        '`in_channels` of `ProjectionConnector` is 24',
    ],
    lazy_connector_without_a_dry_run: [
        f'{DISTILLER}.connectors.widen.convs.0: finds its input channels in a '
        'dry run',
        'Set the in_channels',
    ],
    levels_for_a_loss_of_one_map: [f'{LOSS}: does not fit', 'Set data_idx'],
    misspelt_loss: [
        f"{LOSS}.type: 'mmrazor.CanKDLos'",
        "Did you mean 'CanKDLoss'?",
    ],
    misspelt_argument: [
        f'{LOSS}: CanKDLoss cannot be built',
        "Did you mean 'loss_weight'?",
    ],
    value_out_of_range: [
        f'{LOSS}: CanKDLoss cannot be built',
        'num_levels',
    ],
    misspelt_feature: [
        f"{MAPPING}.s_feat: CanKDLoss takes no 's_feat'",
        "Did you mean 's_feature'?",
    ],
    no_teacher_feature: [
        f'{MAPPING}: nothing for t_feature of CanKDLoss',
        'Add t_feature=dict(...)',
    ],
    misspelt_algorithm: [
        "model.type: 'mmrazor.FrozenTeacherDistil'",
        "Did you mean 'FrozenTeacherDistill'?",
    ],
    misspelt_algorithm_argument: [
        'model: TypeError: ',
        "Did you mean 'distill_weight'?",
    ],
    misspelt_backbone: [
        'model.teacher: the teacher cannot be built',
        "Did you mean 'ResNet'?",
    ],
    image_too_small: [
        'model.architecture: the student failed on a random image of 8x8',
        'model.dry_run_size',
    ],
    inherited_from_another_width: [
        "model.inherit: the student cannot take 'backbone'",
        'Inherit only modules of equal shape',
    ],
    truncation_of_no_module: [
        "model.truncations[0].module: 'backbone.layer9' is not in the student",
        "'backbone.layer4'",
    ],
    unused_name_of_a_method: [f"{DISTILLER}.connectors.to: 'to'"],
}


@pytest.fixture
def checked(check_config, tmp_path, capsys):
    """Check the text of a config; return exit code and output."""

    def run(text: str) -> tuple[int, str]:
        file = tmp_path / 'pair.py'
        file.write_text(text)
        return check_config([str(file)]), capsys.readouterr().out

    return run


@pytest.mark.parametrize('make', CASES, ids=lambda make: make.__name__)
def test_pair_that_cannot_start(make, checked):
    code, output = checked(body(make()))
    assert code == 1
    # One fault is reported once.
    assert output.count('  error    ') == 1
    key, *words = CASES[make]
    assert f'  error    {key}' in output
    for word in words:
        assert word in output
    assert 'no faults found' not in output


def test_every_loss_is_tried(checked):
    pair = other_widths()
    distiller = pair.distiller
    for parts in (distiller.distill_losses, distiller.loss_forward_mappings):
        parts['loss_more'] = parts['loss_distill']
    code, output = checked(body(pair))
    assert code == 1
    assert output.count('does not fit its features in a dry forward') == 2


def test_pair_that_starts(checked):
    assert checked(body(detectors())) == (
        0,
        '1 config checked, no faults found\n',
    )


@pytest.mark.skipif(
    not mmcv_ops.needed(), reason='this mmcv has every operator'
)
@pytest.mark.parametrize('is_recorded', [True, False])
def test_operator_of_the_recorded_part_of_a_teacher(
    is_recorded, checked, tmp_path, monkeypatch
):
    """A teacher runs only as far as it is recorded."""
    (tmp_path / 'rotated_teacher.py').write_text(ROTATED)
    monkeypatch.syspath_prepend(tmp_path)
    pair = detectors()
    if is_recorded:
        pair.teacher.neck.type = 'RotatedFPN'
    else:
        pair.teacher.bbox_head.type = 'RotatedRetinaHead'
    imports = "custom_imports = dict(imports=['cankd_mm', 'rotated_teacher'])"
    code, output = checked(f'{imports}\n{body(pair)}')
    assert code == is_recorded, output
    if is_recorded:
        assert '  error    model.teacher: the teacher failed' in output
        assert 'nms_rotated' in output


@pytest.mark.parametrize('kind', ['SingleTeacherDistill', 'FpnTeacherDistill'])
def test_algorithms_of_mmrazor(kind, checked):
    pair = other_widths()
    kept = ('architecture', 'teacher', 'distiller')
    pair = type(pair)({k: v for k, v in pair.items() if k in kept})
    pair.type = f'mmrazor.{kind}'
    pair.teacher.init_cfg = dict(type='Normal', layer='Conv2d')
    code, output = checked(body(pair))
    assert code == 1 and output.count('  error    ') == 1
    assert f'  error    {LOSS}: does not fit its features' in output
    pair.distiller.student_recorders.features.source = 'nek'
    code, output = checked(body(pair))
    assert "features.source: 'nek' is not in the student" in output


def test_teacher_that_is_not_used_gives_a_warning(checked):
    pair = detectors(distill_weight=0.0)
    pair.teacher = tiny_models.fcn()
    pair.teacher.decode_head.in_index = 9
    pair.distiller.teacher_recorders = dict(
        features=dict(type='ModuleOutputs', source='decode_head.conv_seg')
    )
    code, output = checked(body(pair))
    assert code == 1
    assert '  warning  model.teacher: the teacher failed' in output


def test_features_of_regions_give_a_warning(checked):
    student = tiny_models.faster_rcnn()
    pair = tiny_models.distillation(
        student,
        student,
        source='roi_head.bbox_head.shared_fcs.0',
        loss=dict(type='mmrazor.L2Loss'),
    )
    code, output = checked(body(pair))
    assert code == 1
    assert f'  warning  {LOSS}: compares features after RoI' in output, output


STOCK = """
custom_imports = dict(imports=['cankd_mm'])
default_scope = '{scope}'
recorders = dict(features=dict(type='ModuleOutputs', source='{source}'))
model = dict(
    type='mmrazor.FrozenTeacherDistill',
    architecture=dict(cfg_path='{student}'),
    teacher=dict(cfg_path='{teacher}'),
    allow_random_teacher=True,
    distiller=dict(
        type='mmrazor.ConfigurableDistiller',
        student_recorders=recorders,
        teacher_recorders=recorders,
        distill_losses=dict(loss_distill=dict(
            type='mmrazor.CanKDLoss', in_channels={channels},
            num_levels={levels})),
        loss_forward_mappings=dict(loss_distill=dict(
            s_feature=dict(from_student=True, recorder='features'),
            t_feature=dict(from_student=False, recorder='features')))))
"""


@pytest.mark.parametrize(
    'case, words',
    [
        (
            dict(
                scope='mmdet',
                student='mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
                teacher='mmdet::yolox/yolox_s_8xb8-300e_coco.py',
                source='neck',
                channels=96,
                levels=3,
            ),
            f'{LOSS}: does not fit',
        ),
        (
            dict(
                scope='mmdet',
                student='mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
                teacher='mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
                source='neck',
                channels=96,
                levels=4,
            ),
            '`s_feature` has 3 level(s), but `num_levels` is 4',
        ),
        (
            dict(
                scope='mmseg',
                student='mmseg::bisenetv1/bisenetv1_r18-d32_4xb4-160k_'
                'cityscapes-1024x1024.py',
                teacher='mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-'
                '512x1024.py',
                source='backbone.layer4',
                channels=512,
                levels=1,
            ),
            f"{DISTILLER}.student_recorders.features.source: 'backbone.layer4'"
            ' is not in the student',
        ),
        (
            dict(
                scope='mmdet',
                student='mmdet::swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py',
                teacher='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
                source='backbone.layer4',
                channels=768,
                levels=1,
            ),
            "'backbone.layer4' is not in the student (RetinaNet)",
        ),
    ],
    ids=['widths', 'levels', 'bisenet', 'swin'],
)
def test_stock_models_that_do_not_go_together(case, words, checked):
    code, output = checked(STOCK.format(**case))
    assert code == 1 and output.count('  error    ') == 1
    assert words in output
