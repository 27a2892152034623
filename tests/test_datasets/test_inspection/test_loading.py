"""What loading leaves out is counted while a data set loads."""

import json
import pickle

import numpy as np
import pytest
from mmdet.datasets import CocoDataset, VOCDataset
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from cankd_mm.datasets.inspection import (
    LoadingRecord,
    inspect_sample,
    judge,
    observed_loading,
    record_of,
    unwrapped_with_steps,
)
from tests import data_runs
from tests.tiny_data import ANIMALS, write_boxes


@pytest.fixture
def root(tmp_path):
    return write_boxes(tmp_path / 'data')


def edited(root, edit):
    file = root / 'train.json'
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
    return root


def load(dataset: dict):
    """Builds a data set as a runner does, and returns it."""
    with observed_loading(
        dict(dataset=dataset), 'train_dataloader', training=True
    ):
        built = DATASETS.build(dataset)
        built.full_init()
    return built


def recorded(dataset: dict) -> list[LoadingRecord]:
    parts = unwrapped_with_steps(load(dataset))
    return [record_of(part) for part, _ in parts]


def test_counts_of_a_coco_file(root):
    def edit(content):
        boxes = content['annotations']
        boxes[0]['bbox'] = [-50, 0, 20, 20]
        boxes[1]['area'] = 0
        boxes[2]['ignore'] = True
        boxes[3]['iscrowd'] = 1
        boxes[4]['category_id'] = 9
        boxes[5]['image_id'] = 99
        content['categories'][1]['name'] = 'hound'

    (record,) = recorded(data_runs.coco(edited(root, edit)))
    assert record.images == record.listed == 4
    assert record.boxes == {'cat': 2, 'bird': 2}
    assert record.ignored == 1
    assert record.empty == 2
    assert record.source == {
        'cat': 4,
        'hound': 3,
        'bird': 4,
        'category_id 9': 1,
    }
    assert record.unmatched == {'hound': 3, 'category_id 9': 1}
    assert record.dropped == {
        'no size or outside of the image': 1,
        'category not in classes': 3,
        'marked ignore': 1,
        'category_id of no category': 1,
        'image_id of no image': 1,
    }
    used = sum(record.boxes.values()) + record.ignored
    assert used + sum(record.dropped.values()) == 12


def test_counts_of_voc_files(root):
    path = root / 'Annotations/1.xml'
    text = path.read_text().replace('<name>dog', '<name>hound')
    path.write_text(text.replace('<difficult>0', '<difficult>1', 1))
    (record,) = recorded(data_runs.voc(root))
    assert record.boxes == {'cat': 3, 'dog': 3, 'bird': 4}
    assert record.source == {'cat': 4, 'dog': 3, 'hound': 1, 'bird': 4}
    assert record.dropped == {'name not in classes': 1}
    assert record.ignored == 1


@pytest.mark.parametrize('kind', ['coco', 'voc'])
@pytest.mark.parametrize('serialize', [True, False])
@pytest.mark.parametrize('lazy', [True, False])
def test_every_way_to_initialize(kind, serialize, lazy, root):
    make = getattr(data_runs, kind)
    data = make(root, serialize_data=serialize, lazy_init=lazy, indices=3)
    (record,) = recorded(data)
    assert (record.images, record.listed) == (3, 4)
    assert record.boxes == dict.fromkeys(ANIMALS, 3)


def test_what_is_loaded_is_what_is_loaded_unobserved(root):
    data = data_runs.coco(root, filter_cfg=dict(filter_empty_gt=True))
    plain, observed = DATASETS.build(data), load(data)
    assert plain.data_bytes.tobytes() == observed.data_bytes.tobytes()
    assert vars(plain).keys() == vars(observed).keys()
    # For worker processes that are not forked.
    pickle.dumps(observed)


def test_nothing_stays_wrapped(root):
    methods = ('full_init', 'load_data_list', 'parse_data_info', 'filter_data')
    kinds = (BaseDataset, CocoDataset, VOCDataset)
    before = [getattr(kind, name) for kind in kinds for name in methods]
    load(data_runs.coco(root))
    (root / 'train.json').write_text('')
    with pytest.raises(ValueError):
        load(data_runs.coco(root))
    after = [getattr(kind, name) for kind in kinds for name in methods]
    assert before == after


def test_filtered_images_are_counted_without_a_warning(root):
    def edit(content):
        content['annotations'] = content['annotations'][3:]
        content['images'][1].update(width=4, height=4)

    data = data_runs.coco(
        edited(root, edit), filter_cfg=dict(filter_empty_gt=True, min_size=32)
    )
    (record,) = recorded(data)
    assert (record.listed, record.filtered, record.images) == (4, 2, 2)
    verdict = judge([record])
    assert '2 images, 2 left out by filter_cfg' in verdict.report[0]
    assert not verdict.warnings and not verdict.errors


@pytest.mark.parametrize(
    'wrapper',
    [
        lambda a, b: dict(type='RepeatDataset', times=3, dataset=a),
        lambda a, b: dict(type='ConcatDataset', datasets=[a, b]),
        lambda a, b: dict(
            type='RepeatDataset',
            times=2,
            dataset=dict(type='ConcatDataset', datasets=[a, b]),
        ),
        lambda a, b: dict(
            type='ClassBalancedDataset', oversample_thr=0.1, dataset=a
        ),
        lambda a, b: dict(
            type='mmdet.MultiImageMixDataset', dataset=a, pipeline=[]
        ),
        lambda a, b: dict(
            type='mmseg.MultiImageMixDataset', dataset=a, pipeline=[]
        ),
    ],
)
def test_data_sets_in_wrappers(wrapper, root):
    (root / 'other.json').write_text((root / 'train.json').read_text())
    a = data_runs.coco(root)
    b = data_runs.coco(root, ann_file='other.json')
    data = wrapper(a, b)
    records = recorded(data)
    assert [record.boxes['cat'] for record in records] == [4] * len(records)
    assert len({record.key for record in records}) == len(records)
    count = str(data).count('CocoDataset')
    assert len(records) == count


def test_keys_of_data_sets_that_are_concatenated(root):
    (root / 'other.json').write_text('{')
    good = data_runs.coco(root)
    bad = data_runs.coco(root, ann_file='other.json')
    with pytest.raises(ValueError) as error:
        load(dict(type='ConcatDataset', datasets=[good, bad]))
    key = 'train_dataloader.dataset.datasets.1.ann_file'
    assert str(error.value).startswith(f'{key}: {root}/other.json: this is no')


def test_one_data_set_with_boxes_is_enough(root):
    other = data_runs.coco(root, metainfo=dict(classes=('RBC',)))
    data = dict(
        type='ConcatDataset',
        datasets=[data_runs.coco(root), other],
        ignore_keys=['classes', 'palette'],
    )
    verdict = judge(recorded(data))
    assert not verdict.errors
    assert "1 of 4 classes have no box: 'RBC'" in verdict.warnings[0]


def test_classes_outside_of_indices_are_no_reason_for_a_warning(root):
    def edit(content):
        for box in content['annotations']:
            if not box['image_id']:
                box['category_id'] = 0

    data = data_runs.coco(edited(root, edit), indices=1)
    verdict = judge(recorded(data))
    assert '3 by indices' in verdict.report[0]
    assert '3 boxes in 1 of 3 classes' in verdict.report[0]
    assert not verdict.warnings


def images_only(root, *steps: str, **kwargs):
    """A data set whose pipeline loads no annotations."""
    names = ('LoadImageFromFile', *steps, 'mmdet.PackDetInputs')
    pipeline = [dict(type=name) for name in names]
    return data_runs.coco(root, pipeline=pipeline, **kwargs)


EMPTY = 'mmdet.LoadEmptyAnnotations'


@pytest.mark.parametrize('steps', [(), (EMPTY,)])
def test_images_without_labels_of_semi_supervised_training(root, steps):
    data = images_only(root, *steps, metainfo=dict(classes=('RBC',)))
    verdict = judge(recorded(data))
    assert not verdict.errors
    assert 'its pipeline loads no annotations' in verdict.report[0]


@pytest.mark.parametrize('steps', [(), (EMPTY,)])
def test_a_list_of_images_needs_no_annotations(root, steps):
    edited(root, lambda content: content.pop('annotations'))
    (record,) = recorded(images_only(root, *steps))
    assert record.images == 4
    assert not judge([record]).errors


def test_labeled_and_unlabeled_images_together(root):
    """As in mmdet's semi-supervised configs."""
    unlabeled = json.loads((root / 'train.json').read_text())
    del unlabeled['annotations']
    (root / 'unlabeled.json').write_text(json.dumps(unlabeled))
    branches = dict(
        type='mmdet.MultiBranch',
        branch_field=['sup', 'unsup_teacher'],
        unsup_teacher=[dict(type='mmdet.PackDetInputs')],
    )
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type=EMPTY),
        branches,
    ]
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(
            type='mmdet.GroupMultiSourceSampler',
            batch_size=2,
            source_ratio=[1, 1],
        ),
        dataset=dict(
            type='mmdet.ConcatDataset',
            datasets=[
                data_runs.coco(root),
                data_runs.coco(
                    root, ann_file='unlabeled.json', pipeline=pipeline
                ),
            ],
        ),
    )
    with observed_loading(loader, 'train_dataloader', training=True):
        loader = Runner.build_dataloader(loader)
    parts = [part for part, _ in unwrapped_with_steps(loader.dataset)]
    verdict = judge([record_of(part) for part in parts])
    for part in parts:
        sample = inspect_sample(part, 'key')
        verdict.errors += sample.errors
        verdict.warnings += sample.warnings
    assert not verdict.errors and not verdict.warnings
    assert 'pipeline loads no annotations' in verdict.report[1]


def test_images_of_background_beside_others(root):
    content = json.loads((root / 'train.json').read_text())
    content['annotations'] = []
    (root / 'background.json').write_text(json.dumps(content))
    background = data_runs.coco(root, ann_file='background.json')
    data = dict(
        type='ConcatDataset', datasets=[data_runs.coco(root), background]
    )
    verdict = judge(recorded(data))
    assert not verdict.errors and not verdict.warnings


@DATASETS.register_module()
class OwnInitialization(CocoDataset):
    """A user's own data set, which calls its base class."""

    def full_init(self):
        super().full_init()


def test_data_sets_of_users_are_observed_once(root):
    (record,) = recorded(data_runs.coco(root, type=OwnInitialization))
    assert record.kind == 'OwnInitialization'
    assert record.images == 4
    assert sum(record.source.values()) == 12


class Broken(CocoDataset):
    """One whose items no count can be made of."""

    def load_data_list(self):
        return [dict(instances=[dict(bbox=None, bbox_label=0)])]


def test_counting_that_fails_ends_no_run(root):
    DATASETS.register_module(module=Broken, force=True)
    (record,) = recorded(data_runs.coco(root, type=Broken))
    verdict = judge([record])
    assert 'boxes were not looked at' in verdict.report[0]
    assert not verdict.errors


def test_other_data_are_loaded_as_ever(root):
    kinds = dict(
        panoptic=LoadingRecord(not_counted='', listed=1),
        masks=LoadingRecord(),
    )
    kinds['panoptic'].count([dict(instances=[], segments_info=[])])
    kinds['masks'].count([dict(seg_map_path='a.png')])
    for record in kinds.values():
        assert record.not_counted
        assert not judge([record]).errors


def test_labels_of_any_integer_type_have_names():
    record = LoadingRecord(classes=('a', 'b'))
    box = [0, 0, 5, 5]
    labels = (np.int64(0), np.uint8(1), 1, 2, 0.5)
    record.count(
        [dict(instances=[dict(bbox=box, bbox_label=x) for x in labels])]
    )
    assert record.boxes == {'a': 1, 'b': 2, 'label 2': 1, 'label 0.5': 1}


class NotInstalled(CocoDataset):
    """One that needs a package, as LVIS's does."""

    def load_data_list(self):
        raise ImportError('Package lvis is not installed')


def test_a_package_that_is_not_installed_is_no_fault_of_the_file(root):
    DATASETS.register_module(module=NotInstalled, force=True)
    with pytest.raises(ImportError, match='lvis'):
        load(data_runs.coco(root, type=NotInstalled))


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(type='mmdet.Objects365V1Dataset'),
        dict(metainfo=dict(classes=('cat',))),
        dict(metainfo=dict(classes='cat')),
        dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(
                    type='mmdet.LoadAnnotations',
                    with_bbox=False,
                    with_mask=True,
                ),
            ]
        ),
    ],
    ids=['Objects365', 'one class', 'a name', 'instances'],
)
def test_other_ways_to_use_a_coco_file(kwargs, root):
    verdict = judge(recorded(data_runs.coco(root, **kwargs)))
    assert not verdict.errors and not verdict.warnings


def test_data_set_without_a_box_beside_others_is_a_warning():
    records = [
        LoadingRecord(key='a', classes=('cat',), source={'cat': 1}),
        LoadingRecord(key='b', classes=('cat',), source={'Cat': 3}),
    ]
    box = dict(bbox=[0, 0, 5, 5], bbox_label=0)
    records[0].count([dict(instances=[box])])
    records[1].count([dict(instances=[])])
    verdict = judge(records)
    assert not verdict.errors
    (warning,) = verdict.warnings
    assert warning.startswith('b.ann_file: ')
    assert "'Cat' -> 'cat'" in warning
