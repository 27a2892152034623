"""Two lines make any recipe of mmdet and mmseg train on other data."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from cankd_mm.config.class_heads import class_counts
from cankd_mm.config.own_data.places import data_sets_of
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_walk import metrics
from tests.test_config.test_own_data.children import child

CLASSES = ('cat', 'dog', 'bird')
#: A file below `configs` that is no recipe.
TEMPLATES = ('override_category', '_tta', '_base')


def recipes() -> list[str]:
    """One recipe of each family, the first by name."""
    found = []
    for package in ('mmdet', 'mmseg'):
        (root,) = find_spec(package).submodule_search_locations
        configs = Path(root, '.mim', 'configs')
        for family in sorted(configs.iterdir()):
            files = [
                file
                for file in sorted(family.glob('*.py'))
                if not any(name in file.stem for name in TEMPLATES)
            ]
            if files and family.name != '_base_':
                path = files[0].relative_to(configs)
                found.append(f'{package}::{path}')
    return found


RECIPES = recipes()


def test_there_are_recipes_of_many_families():
    assert len(RECIPES) > 130


@pytest.mark.parametrize('recipe', RECIPES)
def test_two_lines_reach_all_data_sets_metrics_and_heads(recipe, tmp_path):
    try:
        cfg = child(
            tmp_path, recipe, "data_root = 'mine/'", f'classes = {CLASSES}'
        )
    except (FileNotFoundError, ImportError) as error:
        # Recipes that name a base which is not there, or need mmpretrain.
        assert 'mine' not in str(error)
        return
    except ValueError as error:
        # A recipe of several data sets cannot follow one name.
        assert "is not replaced by data_root='mine/'" in str(error)
        return
    found = list(data_sets_of(cfg))
    for _, key, data in found:
        assert data['data_root'] == 'mine/', key
        assert tuple(data['metainfo']['classes']) == CLASSES, key
    for split in ('val', 'test'):
        name = f'{split}_evaluator'
        for key, metric in metrics(cfg.get(name), name):
            for path in ('ann_file', 'seg_prefix'):
                assert metric.get(path, 'mine/').startswith('mine/'), key
    if found:
        assert set(class_counts(cfg.get('model', {})).values()) <= {3}


def test_recipe_of_several_data_sets_says_which_one_stays(tmp_path):
    with pytest.raises(ValueError, match='dark_zurich.*Set the data_root'):
        child(
            tmp_path,
            'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024_'
            'dark-zurich-1920x1080.py',
            "data_root = 'mine/'",
        )


def test_data_set_that_the_config_puts_elsewhere_stays_there(tmp_path):
    cfg = child(
        tmp_path,
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        "data_root = 'mine/'",
        "test_dataloader = dict(dataset=dict(data_root='other/'))",
    )
    roots = [data['data_root'] for _, _, data in data_sets_of(cfg)]
    assert roots == ['mine/', 'mine/', 'other/']


def test_recipe_without_a_name_for_its_folder_follows(tmp_path):
    cfg = child(
        tmp_path,
        'mmseg::unet/unet-s5-d16_fcn_4xb4-160k_hsidrive-192x384.py',
        "data_root = 'mine/'",
    )
    assert {d['data_root'] for _, _, d in data_sets_of(cfg)} == {'mine/'}


def test_lists_of_heads_and_of_class_weights_follow(tmp_path):
    cascade = child(
        tmp_path,
        'mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py',
        f'classes = {CLASSES}',
    )
    heads = cascade.model.roi_head
    assert [head.num_classes for head in heads.bbox_head] == [3, 3, 3]
    assert heads.mask_head.num_classes == 3
    queries = child(
        tmp_path,
        'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
        f'classes = {CLASSES}',
    )
    head = queries.model.panoptic_head
    assert head.num_things_classes == 3
    assert list(head.loss_cls.class_weight) == [1.0, 1.0, 1.0, 0.1]
    weighted = child(
        tmp_path,
        'mmseg::pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
        f'classes = {CLASSES}',
    )
    losses = weighted.model.decode_head.loss_decode
    assert all(loss.get('class_weight') is None for loss in losses)


@pytest.mark.parametrize('is_child', [False, True])
def test_recipe_of_several_folders_stays_as_it_is(is_child, tmp_path):
    # Its test data are elsewhere than its base's, by its own choice.
    recipe = (
        'mmdet::glip/flickr30k/glip_atss_swin-t_c_fpn_dyhead_pretrain_'
        'obj365-goldg_zeroshot_flickr30k.py'
    )
    if is_child:
        cfg = child(tmp_path, recipe)
    else:
        cfg = config_from_file(recipe, 'config')
    roots = {data['data_root'] for _, _, data in data_sets_of(cfg)}
    assert roots == {'data/coco/', 'data/flickr30k_entities/'}
