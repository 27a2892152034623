import pytest

from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.match import by_stride
from cankd_mm.pairing.methods import METHODS
from cankd_mm.pairing.source_text import Code, Noted
from cankd_mm.pairing.two_models import matched
from tests.test_pairing.models import (
    ATSS,
    BISENET,
    CENTERNET,
    DANET,
    DEEPLABV3PLUS,
    DINO,
    FASTER_RCNN,
    FASTSCNN,
    HRNET,
    OCRNET,
    PIDNET,
    RETINANET,
    RETINANET_R101,
    SEGFORMER,
    SEGMENTER,
    SSD,
    SWIN,
    TOOD,
    YOLOV3_D53,
    YOLOV3_MOBILENETV2,
    YOLOX_S,
    YOLOX_TINY,
    two_models,
)
from tests.test_pairing.test_match import levels


def draft(method, *pair, at=None):
    return METHODS[method](two_models(*pair, at))


def plain(value):
    """Without comments."""
    if isinstance(value, Noted):
        return plain(value.value)
    if isinstance(value, Code):
        return eval(value.text)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


def parts(found):
    return plain(found.distiller)


# ------------------------------------------------------------------- CanKD


def test_cankd_compares_at_most_four_levels_of_necks():
    found = draft('cankd', RETINANET, RETINANET_R101)
    loss = parts(found)['distill_losses']['loss_cankd']
    assert loss == dict(
        type='CanKDLoss', in_channels=256, num_levels=4, loss_weight=5.0
    )
    assert any('neck[4]' in note for note in found.notes)
    assert parts(found)['connectors'] == {}


def test_cankd_projects_other_channels():
    found = parts(draft('cankd', YOLOX_TINY, YOLOX_S))
    assert found['connectors'] == dict(
        to_teacher=dict(
            type='ProjectionConnector', out_channels=128, num_levels=3
        )
    )
    mapping = found['loss_forward_mappings']['loss_cankd']
    assert mapping['s_feature']['connector'] == 'to_teacher'
    assert 'connector' not in mapping['t_feature']


def test_pyramids_that_start_at_other_strides_have_a_loss_for_each_level():
    found = parts(draft('cankd', RETINANET, FASTER_RCNN))
    mappings = found['loss_forward_mappings']
    assert {
        name: (m['s_feature']['data_idx'], m['t_feature']['data_idx'])
        for name, m in mappings.items()
    } == {
        'loss_cankd_s8': (0, 1),
        'loss_cankd_s16': (1, 2),
        'loss_cankd_s32': (2, 3),
        'loss_cankd_s64': (3, 4),
    }


def test_levels_of_other_widths_have_a_connector_each():
    found = parts(draft('cankd', YOLOV3_MOBILENETV2, YOLOV3_D53))
    outs = {k: c['out_channels'] for k, c in found['connectors'].items()}
    assert outs == {
        'to_teacher_s32': 512,
        'to_teacher_s16': 256,
        'to_teacher_s8': 128,
    }


def test_last_stages_of_other_strides_are_resized_and_projected():
    found = draft('cankd', SEGFORMER, DEEPLABV3PLUS)
    assert parts(found)['connectors'] == dict(
        to_teacher=[
            dict(type='ResizeConnector', scale_factor=4),
            dict(type='ProjectionConnector', out_channels=2048),
        ]
    )
    assert 'resized' in found.notes[0]


def test_a_finer_student_is_averaged():
    found = parts(draft('cankd', DEEPLABV3PLUS, SEGFORMER))
    resize = found['connectors']['to_teacher'][0]
    assert resize == dict(
        type='ResizeConnector', scale_factor=0.25, mode='area'
    )


def test_a_place_can_be_chosen():
    found = parts(draft('cankd', RETINANET, RETINANET_R101, at='backbone'))
    sources = {r['source'] for r in found['student_recorders'].values()}
    # layer1 is frozen.
    assert sources == {f'backbone.layer{i}' for i in (2, 3, 4)}


def test_two_modules_can_be_chosen():
    found = parts(
        draft('cankd', BISENET, DEEPLABV3PLUS, at='backbone.ffm=decoder')
    )
    assert found['student_recorders']['ffm']['source'] == 'backbone.ffm'
    assert [r['source'] for r in found['teacher_recorders'].values()] == [
        'decode_head.sep_bottleneck.1.pointwise_conv.bn'
    ]


def test_a_module_of_several_calls_is_refused():
    with pytest.raises(PairingError, match='is called 5 times'):
        draft('cankd', RETINANET, RETINANET_R101, at='bbox_head.retina_cls')


def test_a_factor_that_padding_does_not_make_exact_is_refused():
    # Padded to multiples of 32, and of stride 64 the grid is rounded.
    with pytest.raises(PairingError, match='would need another factor'):
        draft(
            'cankd',
            RETINANET,
            RETINANET_R101,
            at='neck.fpn_convs.3=neck.fpn_convs.2',
        )


def test_images_of_one_size_are_resized_to_a_grid():
    found = draft(
        'cankd', SSD, RETINANET, at='neck.extra_layers.0=backbone.layer3'
    )
    resize, _ = parts(found)['connectors']['to_teacher']
    assert resize == dict(type='ResizeConnector', size=(19, 19))
    assert found.dry_run_size == (300, 300)


def test_frozen_modules_are_refused():
    with pytest.raises(PairingError, match='no gradient reaches it'):
        draft('cankd', RETINANET, RETINANET_R101, at='backbone.layer1')


def test_of_pyramids_without_a_common_stride_the_closest_are_resized():
    found = draft('cankd', CENTERNET, RETINANET_R101)
    (loss,) = parts(found)['distill_losses']
    mapping = parts(found)['loss_forward_mappings'][loss]
    assert mapping['t_feature'].get('data_idx') == 0
    resize, _ = parts(found)['connectors']['to_teacher']
    assert resize == dict(
        type='ResizeConnector', scale_factor=0.5, mode='area'
    )


def test_strides_that_do_not_meet_are_refused():
    found = levels('neck', 8), levels('neck', 4, 16)
    with pytest.raises(PairingError, match=r'strides \[8\].*strides \[4, 16'):
        matched(by_stride(*found), *found)


# --------------------------------------------------------------------- TaT


def test_tat_takes_patches_no_larger_than_a_level():
    loss = parts(draft('tat', RETINANET, RETINANET_R101))['distill_losses'][
        'loss_tat'
    ]
    assert loss['patch_size'] == [(8, 8), (8, 8), (8, 8), (4, 4), (3, 3)]
    assert loss['num_levels'] == 5
    assert loss['loss_weight'] == 0.05


def test_tat_compares_decoders_of_segmentors():
    found = parts(draft('tat', BISENET, DEEPLABV3PLUS))
    loss = found['distill_losses']['loss_tat']
    assert (loss['student_channels'], loss['teacher_channels']) == (256, 512)
    assert found['connectors']['to_grid'] == dict(
        type='ResizeConnector', scale_factor=2
    )


def test_tat_falls_back_to_the_last_stages():
    found = parts(draft('tat', SEGMENTER, DEEPLABV3PLUS))
    (recorder,) = found['teacher_recorders'].values()
    assert recorder['source'] == 'backbone.layer4'


# -------------------------------------------------------------------- LAKD


def test_lakd_cuts_between_the_stages_that_learn():
    found = draft('lakd', RETINANET, RETINANET_R101)
    assert found.truncations == ['backbone.layer3', 'backbone.layer4']
    losses = parts(found)['distill_losses']
    assert [loss['student_channels'] for loss in losses.values()] == [
        512,
        1024,
        2048,
    ]
    assert {loss['attention_weight'] for loss in losses.values()} == {1 / 3}


def test_lakd_needs_stages():
    with pytest.raises(PairingError, match='the only way'):
        draft('lakd', HRNET, DEEPLABV3PLUS)


def test_lakd_has_no_other_place():
    with pytest.raises(PairingError, match='--at neck: LAKD cuts'):
        draft('lakd', SWIN, FASTER_RCNN, at='neck')


# -------------------------------------------------------------------- CSKD


def test_cskd_teaches_patches_with_the_logits_of_pixels():
    found = parts(draft('cskd', SEGFORMER, DEEPLABV3PLUS))
    assert found['connectors']['classify']['num_classes'] == 150
    mapping = found['loss_forward_mappings']['loss_cskd']
    assert mapping['labels']['recorder'] == 'labels'
    assert found['teacher_recorders'] == dict(
        conv_seg=dict(type='ModuleOutputs', source='decode_head.conv_seg')
    )


def test_cskd_takes_the_activation_of_the_teachers_loss():
    loss = parts(draft('cskd', FASTSCNN, FASTSCNN))['distill_losses']
    assert loss['loss_cskd']['activation'] == 'sigmoid'
    loss = parts(draft('cskd', OCRNET, OCRNET))['distill_losses']
    assert 'activation' not in loss['loss_cskd']


def test_cskd_takes_no_module_of_the_teacher():
    with pytest.raises(PairingError, match="student's module only"):
        draft('cskd', SEGFORMER, DEEPLABV3PLUS, at='backbone=decode_head')


@pytest.mark.parametrize(
    'path, has_labels', [(OCRNET, True), (DANET, True), (PIDNET, False)]
)
def test_cskd_records_labels_of_heads_that_stack_them(path, has_labels):
    found = parts(draft('cskd', path, path))
    mapping = found['loss_forward_mappings']['loss_cskd']
    # PIDNet stacks labels and edges, in a method of its own.
    assert ('labels' in mapping) is has_labels


def test_cskd_records_the_dense_head_of_a_detector():
    found = parts(draft('cskd', SWIN, ATSS))
    assert found['teacher_recorders']['logits'] == dict(
        type='MethodOutputs',
        source='mmdet.models.dense_heads.atss_head.ATSSHead.forward',
    )
    loss = found['distill_losses']['loss_cskd']
    assert loss['activation'] == 'sigmoid'


@pytest.mark.parametrize(
    'pair, reason',
    [
        # COCO-Stuff and ADE20K.
        ((BISENET, DEEPLABV3PLUS), 'has 171 and the teacher 150'),
        ((RETINANET, FASTER_RCNN), 'no dense head'),
        ((RETINANET, DINO), 'no dense head'),
        # Its class logits are trained on objects only.
        ((RETINANET, YOLOX_S), 'no dense head'),
        # Its head gives probabilities.
        ((RETINANET, TOOD), 'no dense head'),
        # Its head's classes are exclusive.
        ((RETINANET, SSD), 'no dense head'),
        ((SEGFORMER, SEGMENTER), 'no map of class logits'),
    ],
)
def test_cskd_is_refused_with_the_reason(pair, reason):
    with pytest.raises(PairingError, match=reason):
        draft('cskd', *pair)
