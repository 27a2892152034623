"""``tools/print_config.py`` prints the config that will really run."""

import re

import pytest
from mmengine.config import Config

from tests.commands import ROOT
from tests.forked_tools import fork_tool, fork_tool_unchecked

TOOL = 'print_config.py'
HELPER = r'^train_dataset ?='
YOLOX = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'
PAIR = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_1x_voc0712.py'
OPTIONS = ('--cfg-options', 'data_root=mine/', 'classes=cat,dog')


def test_prints_what_the_names_at_the_top_have_changed():
    text = fork_tool(TOOL, YOLOX, *OPTIONS)
    assert "data_root='mine/'" in text
    assert 'num_classes=2' in text
    assert 'data/coco' not in text


def test_helper_variables_are_printed_on_request():
    assert re.search(HELPER, fork_tool(TOOL, YOLOX, '--all'), re.M)
    assert not re.search(HELPER, fork_tool(TOOL, YOLOX), re.M)


@pytest.mark.parametrize('config', [YOLOX, PAIR])
def test_written_file_is_read_by_mmengine_as_the_same_run(config, tmp_path):
    file = tmp_path / 'run.py'
    fork_tool(TOOL, config, *OPTIONS, '--out', file)
    cfg = Config.fromfile(file)
    assert '_base_ =' not in file.read_text()
    assert cfg.val_dataloader.dataset.data_root == 'mine/'
    model = cfg.model.get('architecture', cfg.model)
    assert model.bbox_head.num_classes == 2


def test_file_that_is_there_is_kept(tmp_path):
    file = tmp_path / 'run.py'
    file.write_text('mine')
    code, output = fork_tool_unchecked(TOOL, YOLOX, '--out', file)
    assert code == 2 and 'is there already' in output
    assert file.read_text() == 'mine'


def test_contradiction_is_reported_without_a_traceback():
    code, output = fork_tool_unchecked(
        TOOL, YOLOX, '--cfg-options', 'classes=cat'
    )
    assert code == 1
    assert "cannot be read: classes='cat' is text" in output
    assert 'Traceback' not in output


def test_tool_is_in_the_list_of_commands():
    assert f'tools/{TOOL}' in (ROOT / 'README.md').read_text()
