"""Configs are read alike by every command."""

import pytest

from cankd_mm.utils.config_file import config_from_file
from tests.commands import ROOT

PAIR = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'


def test_names_follow_what_the_options_say():
    config = config_from_file(
        ROOT / PAIR, 'config', dict(classes=('cat', 'dog'))
    )
    assert config.train_dataloader.dataset.metainfo.classes == ('cat', 'dog')
    assert config.model.architecture.bbox_head.num_classes == 2


def test_config_of_a_package_is_read():
    config = config_from_file(
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', 'config'
    )
    assert config.model.type == 'RetinaNet'


def test_missing_file_is_an_error_that_names_key_and_file():
    with pytest.raises(FileNotFoundError, match='model.teacher.*nowhere.py'):
        config_from_file('nowhere.py', 'model.teacher')
