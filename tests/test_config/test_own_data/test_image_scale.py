"""One key sets the size of the images of a detection data set."""

import pytest
from mmengine.config import Config

from cankd_mm.config.own_data import apply_dataset_overrides
from tests.commands import ROOT
from tests.test_config.test_own_data.children import child
from tests.test_configs import zoo

CONFIGS = ROOT / 'configs'
BOXES = 'cankd/cankd_retinanet-r101_retinanet-r50_1x_own-boxes.py'


def scales(cfg) -> list:
    return [
        tuple(step['scale'])
        for split in ('train', 'val', 'test')
        for step in zoo.dicts(cfg[f'{split}_dataloader'])
        if step.get('type') == 'Resize'
    ]


@pytest.mark.parametrize(
    'base', [BOXES, 'cskd/cskd_retinanet-r101_retinanet-swin-t_1x_voc0712.py']
)
def test_key_reaches_training_and_evaluation(base, tmp_path):
    cfg = child(tmp_path, CONFIGS / base, 'image_scale = (320, 240)')
    assert set(scales(cfg)) == {(320, 240)}


def test_key_reaches_a_stock_recipe(tmp_path):
    base = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
    cfg = child(tmp_path, base, 'image_scale = (320, 240)')
    assert scales(cfg) == [(320, 240)] * 3


def test_scale_of_a_step_of_its_own_is_kept(tmp_path):
    cfg = Config.fromfile(CONFIGS / BOXES)
    cfg.train_dataloader.dataset.pipeline[2].scale = (64, 48)
    cfg.image_scale = (320, 240)
    apply_dataset_overrides(cfg)
    assert scales(cfg) == [(64, 48), (320, 240), (320, 240)]


@pytest.mark.parametrize(
    'base, value, message',
    [
        (BOXES, '640', 'image_scale=640, expected two whole numbers'),
        (BOXES, '(640, 0)', 'image_scale=.*expected two whole numbers'),
        (
            'baselines/rtmdet-s_300e_coco.py',
            '(640, 640)',
            "train_dataloader has no 'Resize' step with a scale",
        ),
    ],
)
def test_other_values_are_refused(base, value, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        child(tmp_path, CONFIGS / base, f'image_scale = {value}')
