import pytest

from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.places import (
    decoder_level,
    last_stage,
    levels_at,
    logits_level,
    module_of,
)
from tests.test_pairing.models import (
    BISENET,
    DEEPLABV3PLUS,
    OCRNET,
    RETINANET,
    SEGFORMER,
    SEGMENTER,
    student,
    teacher,
)


@pytest.mark.parametrize(
    'path, source',
    [
        # The published place of TaT.
        (DEEPLABV3PLUS, 'decode_head.sep_bottleneck.1.pointwise_conv.bn'),
        (SEGFORMER, 'decode_head.fusion_conv.bn'),
        # Of two heads the last one.
        (OCRNET, 'decode_head.1.object_context_block.bottleneck.bn'),
    ],
)
def test_a_decoder_ends_with_its_last_norm(path, source):
    assert decoder_level(teacher(path)).source == source


def test_tokens_are_no_decoder_level():
    assert decoder_level(teacher(SEGMENTER)) is None


def test_the_last_stage_is_the_one_that_the_head_reads():
    assert module_of(last_stage(student(BISENET), 'student')) == (
        'backbone.ffm',
        None,
    )
    assert module_of(last_stage(teacher(DEEPLABV3PLUS), 'teacher')) == (
        'backbone.layer4',
        None,
    )
    assert module_of(last_stage(student(SEGFORMER), 'student')) == (
        'backbone',
        3,
    )


def test_class_logits_are_found_by_their_number():
    found = teacher(OCRNET)
    assert logits_level(found, 150).source == 'decode_head.1.conv_seg'
    assert logits_level(found, 21) is None


def test_a_module_that_is_not_there_names_the_closest():
    with pytest.raises(PairingError, match="'nek' is no module of it.*'neck'"):
        levels_at(student(RETINANET), 'nek', 'student')
