"""Data sets read a folder as it is laid out, with the metric for it."""

import pytest

from cankd_mm.config.own_data.places import data_sets_of
from cankd_mm.datasets.prepared import PreparedData, description_file
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_walk import type_name
from tests.commands import ROOT
from tests.test_config.test_own_data.children import child

RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
YOLOX = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'
MASKS = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
VOC = str(ROOT / 'configs/baselines/retinanet-r50_1x_voc0712.py')
PSPNET = 'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py'
VOC_AUG = str(ROOT / 'configs/baselines/pspnet-r18_40k_voc12aug.py')
CITYSCAPES = 'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'
CLASSES = ('cat', 'dog')


def placed(folder, base, root, *lines):
    """What a config becomes that names a folder."""
    return child(folder, base, f'data_root = {str(root)!r}', *lines)


def described(root, **changes):
    data = dict(
        task='detection',
        classes=CLASSES,
        splits=dict(train='prepared/train.json', val='prepared/val.json'),
    )
    data.update(changes)
    file = description_file(root)
    file.parent.mkdir(parents=True)
    file.write_text(PreparedData(**data).as_json())
    return root


def masks(root, **changes):
    return described(
        root,
        task='segmentation',
        splits=dict(train='prepared/train.txt', val='prepared/val.txt'),
        image_folder='images',
        mask_folder='labels',
        image_suffix='.jpg',
        mask_suffix='_mask.png',
        **changes,
    )


def by_split(cfg) -> dict:
    return {split: data for split, _, data in data_sets_of(cfg)}


@pytest.mark.parametrize('base', [RETINANET, YOLOX, VOC])
def test_detector_reads_a_prepared_folder(base, tmp_path):
    root = described(tmp_path / 'photos')
    cfg = placed(tmp_path, base, root)
    found = list(data_sets_of(cfg))
    assert len(found) == 3
    for split, _, data in found:
        name = 'train' if split == 'train' else 'val'
        assert data['type'] == 'CocoDataset'
        assert data['ann_file'] == f'prepared/{name}.json'
        assert data['data_prefix'] == dict(img='')
        assert tuple(data['metainfo']['classes']) == CLASSES
        assert data['pipeline']
    assert cfg.model.bbox_head.num_classes == 2
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        assert type_name(evaluator) == 'CocoMetric'
        assert evaluator.metric == 'bbox'
        assert evaluator.ann_file == str(root / 'prepared/val.json')


def test_test_split_of_a_prepared_folder_is_tested_on(tmp_path):
    splits = {s: f'prepared/{s}.json' for s in ('train', 'val', 'test')}
    root = described(tmp_path / 'photos', splits=splits)
    cfg = placed(tmp_path, RETINANET, root)
    assert cfg.test_dataloader.dataset.ann_file == 'prepared/test.json'
    assert cfg.test_evaluator.ann_file == str(root / 'prepared/test.json')
    assert cfg.val_evaluator.ann_file == str(root / 'prepared/val.json')


@pytest.mark.parametrize('base', [PSPNET, VOC_AUG, CITYSCAPES])
def test_segmentor_reads_a_prepared_folder(base, tmp_path):
    root = masks(tmp_path / 'photos')
    cfg = placed(tmp_path, base, root)
    found = list(data_sets_of(cfg))
    assert len(found) == 3
    for split, _, data in found:
        name = 'train' if split == 'train' else 'val'
        assert data['type'] == 'BaseSegDataset'
        assert data['ann_file'] == f'prepared/{name}.txt'
        assert data['data_prefix'] == dict(
            img_path='images', seg_map_path='labels'
        )
        assert data['img_suffix'] == '.jpg'
        assert data['seg_map_suffix'] == '_mask.png'
        assert data['reduce_zero_label'] is False
        assert not any('reduce_zero_label' in s for s in data['pipeline'])
    assert cfg.model.decode_head.num_classes == 2
    assert cfg.model.auxiliary_head.num_classes == 2
    assert type_name(cfg.val_evaluator) == 'IoUMetric'


@pytest.mark.parametrize(
    'base, make, lines, message',
    [
        (RETINANET, masks, [], 'prepared for segmentation .* detection'),
        (PSPNET, described, [], 'prepared for detection .* segmentation'),
        (MASKS, described, [], 'loads masks .* boxes only'),
        (
            RETINANET,
            described,
            ["classes = ('cat', 'dogs')"],
            "Did you mean 'dog'",
        ),
        (PSPNET, masks, ["classes = ('dog', 'cat')"], 'Take classes out'),
    ],
)
def test_folder_that_does_not_fit_is_refused(
    base, make, lines, message, tmp_path
):
    root = make(tmp_path / 'photos')
    with pytest.raises(ValueError, match=message):
        placed(tmp_path, base, root, *lines)


def test_masks_of_a_prepared_folder_are_learned(tmp_path):
    root = described(tmp_path / 'photos', has_masks=True)
    cfg = placed(tmp_path, MASKS, root)
    assert cfg.model.roi_head.mask_head.num_classes == 2
    assert cfg.val_evaluator.metric == ['bbox', 'segm']


def test_some_of_the_classes_can_be_chosen(tmp_path):
    root = described(tmp_path / 'photos')
    cfg = placed(tmp_path, RETINANET, root, "classes = ('dog',)")
    assert cfg.model.bbox_head.num_classes == 1
    assert by_split(cfg)['train']['metainfo']['classes'] == ('dog',)


@pytest.mark.parametrize('base', [RETINANET, YOLOX])
@pytest.mark.parametrize('has_test', [True, False])
def test_detector_of_coco_reads_a_voc_folder(base, has_test, tmp_path):
    root = tmp_path / 'cells'
    lists = root / 'ImageSets' / 'Main'
    lists.mkdir(parents=True)
    for split in ('train', 'val', *(['test'] if has_test else [])):
        (lists / f'{split}.txt').touch()
    cfg = placed(tmp_path, base, root, f'classes = {CLASSES}')
    found = by_split(cfg)
    assert {data['type'] for data in found.values()} == {'VOCDataset'}
    last = 'test' if has_test else 'val'
    for split, name in dict(train='train', val='val', test=last).items():
        assert found[split]['ann_file'] == f'ImageSets/Main/{name}.txt'
        assert found[split]['data_prefix'] == dict(sub_data_root='')
    assert type_name(cfg.val_evaluator) == 'VOCMetric'
    assert 'ann_file' not in cfg.val_evaluator


def test_best_checkpoint_follows_the_metric(tmp_path):
    root = described(tmp_path / 'photos')
    cfg = placed(
        tmp_path,
        VOC,
        root,
        'default_hooks = dict(checkpoint=dict(save_best="pascal_voc/mAP"))',
    )
    assert cfg.default_hooks.checkpoint.save_best == 'coco/bbox_mAP'


def test_damaged_description_is_named(tmp_path):
    root = described(tmp_path / 'photos')
    description_file(root).write_text('{}')
    with pytest.raises(ValueError, match='dataset.json does not describe'):
        placed(tmp_path, RETINANET, root)


def test_classes_that_the_config_gives_its_data_sets_are_kept(tmp_path):
    root = described(tmp_path / 'photos')
    cfg = placed(
        tmp_path,
        RETINANET,
        root,
        "metainfo = dict(classes=('dog',))",
        'train_dataloader = dict(dataset=dict(metainfo=metainfo))',
        'val_dataloader = dict(dataset=dict(metainfo=metainfo))',
        'test_dataloader = val_dataloader',
        'model = dict(bbox_head=dict(num_classes=1))',
    )
    for _, _, data in data_sets_of(cfg):
        assert tuple(data['metainfo']['classes']) == ('dog',)
    assert cfg.model.bbox_head.num_classes == 1


def test_metrics_that_become_the_same_are_one(tmp_path):
    base = 'mmdet::cityscapes/mask-rcnn_r50_fpn_1x_cityscapes.py'
    root = described(tmp_path / 'photos', has_masks=True)
    evaluators = placed(tmp_path, base, root).val_evaluator
    assert [type_name(metric) for metric in evaluators] == ['CocoMetric']


def test_names_in_a_file_are_compared_to_the_folder(tmp_path):
    root = masks(tmp_path / 'photos')
    (tmp_path / 'names.txt').write_text('dog\ncat\n')
    line = f'classes = {str(tmp_path / "names.txt")!r}'
    with pytest.raises(ValueError, match='Take classes out'):
        placed(tmp_path, PSPNET, root, line)


def test_panoptic_recipe_is_refused(tmp_path):
    root = described(tmp_path / 'photos')
    base = 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'
    with pytest.raises(ValueError, match='loads panoptic annotations'):
        placed(tmp_path, base, root)


def test_recipe_whose_classes_are_in_a_file_of_its_data_follows(tmp_path):
    root = described(tmp_path / 'photos')
    cfg = config_from_file(
        'mmdet::openimages/faster-rcnn_r50_fpn_32xb2-1x_openimages.py',
        'config',
        dict(data_root=str(root)),
    )
    assert cfg.model.roi_head.bbox_head.num_classes == 2
