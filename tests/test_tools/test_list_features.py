"""``tools/list_features.py`` lists what a distillation can record."""

import json

from tests.forked_tools import fork_tool, fork_tool_unchecked

TOOL = 'list_features.py'
YOLOX_TINY = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'
YOLOX_S = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
DIGITS = 'configs/digits/cankd_retinanet.py'


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_student_and_teacher_stand_side_by_side():
    text = fork_tool(TOOL, YOLOX_TINY, YOLOX_S, '--size', '64', '96')
    assert 'image of 64x96 pixels' in text
    row = 'neck 0 96 x 8 x 12 /8 128 x 8 x 12 /8'
    assert row.split() in rows(text)
    assert 'cankd  neck, stride 8, 16, 32' in text


def test_a_distillation_is_marked_where_it_compares():
    text = fork_tool(TOOL, DIGITS)
    marked = [row for row in rows(text) if row[-1:] == ['*']]
    assert [row[:2] for row in marked] == [['neck', str(i)] for i in range(3)]


def test_all_modules_are_listed_on_request():
    few, many = (
        json.loads(fork_tool(TOOL, YOLOX_TINY, '--json', *options))
        for options in ([], ['--all'])
    )
    names = {row['module'] for row in many}
    assert {row['module'] for row in few} < names
    assert 'bbox_head.multi_level_conv_cls.0' in names
    neck = next(row for row in few if row['module'] == 'neck')
    assert neck['model']['stride'] == 8
    assert neck['model']['gradient'] is True
    assert neck['model']['compared'] is False


def test_what_a_method_refuses_has_its_reason():
    text = fork_tool(
        TOOL, YOLOX_TINY, 'mmseg::fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py'
    )
    assert 'cskd   refused: CSKD teaches' in text


def test_a_config_that_is_not_there_ends_with_one_line():
    code, output = fork_tool_unchecked(TOOL, 'nowhere.py')
    assert code == 1
    assert "list_features: config='nowhere.py': there is no file" in output
    assert 'Traceback' not in output
