"""What is found ready can be loaded by the data sets of the configs."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from cankd_mm.config.own_data import apply_dataset_overrides
from cankd_mm.datasets.preparation import DATA_SETS, prepare
from tests.commands import ROOT
from tests.test_datasets.test_preparation.miniatures import make, voc_layout

SEGMENTATION = ('voc_aug', 'cocostuff10k', 'cocostuff164k', 'cityscapes')
#: Train and validation images of the miniatures; VOC's train images are taken
#: three times.
IMAGES = dict(
    coco=(2, 2),
    voc=(3 * 4, 1),
    voc_aug=(1 + 3, 1),
    cocostuff10k=(2, 1),
    cocostuff164k=(2, 1),
    cityscapes=(2, 1),
)


def read_config(name, root, folder):
    """The data set's config, with the line that a user would add."""
    scope = 'mmseg' if name in SEGMENTATION else 'mmdet'
    path = folder / 'config.py'
    path.write_text(
        f'_base_ = {str(ROOT / DATA_SETS[name].config)!r}\n'
        f'data_root = {str(root) + "/"!r}\n'
        f'default_scope = {scope!r}\n'
    )
    return Config.fromfile(path)


@pytest.fixture
def build(tmp_path):
    def build(name):
        root = make(name, tmp_path)
        report = prepare(name, root)
        assert report.ready, report.as_text()
        config = read_config(name, root, tmp_path)
        scope = 'mmseg' if name in SEGMENTATION else 'mmdet'
        init_default_scope(scope)
        sets = [
            DATASETS.build(config[f'{split}_dataloader'].dataset)
            for split in ('train', 'val')
        ]
        assert tuple(map(len, sets)) == IMAGES[name]
        return root, *sets

    return build


@pytest.mark.parametrize('name', SEGMENTATION)
def test_segmentation(name, build):
    root, train, val = build(name)
    loaded = val[0]['data_samples'].gt_sem_seg.data[0].numpy()
    (path,) = dict(
        voc_aug=root.glob('SegmentationClass/b.png'),
        cocostuff10k=root.glob('annotations/test2014/*.png'),
        cocostuff164k=root.glob('annotations/val2017/*TrainIds.png'),
        cityscapes=root.glob('gtFine/val/ulm/*TrainIds.png'),
    )[name]
    stored = np.asarray(Image.open(path)).astype(int)
    if name == 'cocostuff10k':
        stored = np.where(stored == 0, 255, stored - 1)
    assert np.array_equal(loaded, stored)
    num_classes = len(val.metainfo['classes'])
    assert set(np.unique(loaded)) - {255} <= set(range(num_classes))
    for index in range(len(train)):
        assert train[index]['data_samples'].gt_sem_seg.data.ndim == 3


def test_coco(build):
    _, train, val = build('coco')
    for data_set in (train, val):
        boxes = [data_set.get_data_info(n)['instances'] for n in range(2)]
        assert [box['bbox'] for (box,) in boxes] == [[8, 8, 40, 48]] * 2
        assert [box['bbox_label'] for (box,) in boxes] == [0, 1]


def test_voc(build):
    _, train, val = build('voc')
    (box,) = val.get_data_info(0)['instances']
    assert box['bbox'] == [8, 4, 59, 49]
    assert val.metainfo['classes'][box['bbox_label']] == 'dog'
    labels = [
        int(train[index]['data_samples'].gt_instances.labels)
        for index in range(4)
    ]
    names = [val.metainfo['classes'][label] for label in labels]
    assert names == ['chair', 'car', 'tvmonitor', 'train']


def test_a_folder_in_vocs_layout(tmp_path):
    root = voc_layout(tmp_path / 'cells')
    config = tmp_path / 'cells.py'
    pair = ROOT / 'configs/baselines/retinanet-r50_1x_voc0712.py'
    lines = [line for line in prepare('voc', root).usage if ' = ' in line]
    config.write_text(
        '\n'.join([f'_base_ = {str(pair)!r}', *map(str.strip, lines)])
    )
    cfg = Config.fromfile(config)
    apply_dataset_overrides(cfg)
    init_default_scope('mmdet')
    (train,) = cfg.train_dataloader.dataset.dataset.datasets
    train.filter_cfg = None  # keeps small boxes
    data_set = DATASETS.build(train)
    labels = [
        box['bbox_label']
        for index in range(len(data_set))
        for box in data_set.get_data_info(index)['instances']
    ]
    assert labels == [0, 1]
    assert cfg.model.bbox_head.num_classes == 2
