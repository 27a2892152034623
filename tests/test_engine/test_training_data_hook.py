"""The training data are looked at, and training is what it was."""

import traceback

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, MODEL_WRAPPERS, TRANSFORMS
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from cankd_mm.engine import TrainingDataHook, training
from cankd_mm.engine.hooks import training_data_hook
from cankd_mm.engine.training import TrainingOptions, training_runner
from tests import data_runs
from tests.commands import ROOT
from tests.tiny_data import ANIMALS, write_boxes, write_masks


@MODEL_WRAPPERS.register_module(force=True)
class Wrapper(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def trained(kind: str, root, work_dir, **options):
    """Weights, losses and images of two iterations."""
    cfg = data_runs.config(getattr(data_runs, kind)(root), work_dir, 2)
    runner = training_runner(cfg, TrainingOptions(**options))
    seen, step = [], runner.model.train_step

    def train_step(data, optim_wrapper):
        losses = step(data, optim_wrapper)
        paths = [sample.img_path for sample in data['data_samples']]
        seen.append((paths, float(losses['loss'])))
        return losses

    runner.model.train_step = train_step
    runner.train()
    return seen, runner.model.state_dict(), runner.cfg.pretty_text


@pytest.mark.parametrize('kind', ['coco', 'masks'])
def test_training_is_bit_for_bit_what_it_is_without(kind, tmp_path):
    root = tmp_path / 'data'
    (write_masks if kind == 'masks' else write_boxes)(root)
    seen, weights, text = trained(kind, root, tmp_path / 'run')
    log = data_runs.log_of(tmp_path / 'run')
    plain = trained(kind, root, tmp_path / 'run', check=False)
    assert 'Training data' in log
    assert seen == plain[0]
    assert len(seen) == 2
    for name, value in weights.items():
        assert torch.equal(value, plain[1][name]), name
    # What is written down as the config is the user's.
    assert text == plain[2]


@pytest.mark.parametrize('name', ['baseline_retinanet', 'baseline_segmentor'])
def test_the_digits_are_no_reason_for_a_warning(name, monkeypatch):
    cfg = Config.fromfile(ROOT / f'configs/digits/{name}.py')
    monkeypatch.chdir(ROOT)
    loader = cfg.train_dataloader
    loader.dataset['_scope_'] = cfg.default_scope
    with training_data_hook.observed_loading(
        loader, 'train_dataloader', training=True
    ):
        dataset = DATASETS.build(loader.dataset)
    loop = type('Loop', (), {})()
    loop.dataloader = type('Loader', (), dict(dataset=dataset))
    verdict = training_data_hook._look_at(loop, 16)
    assert not verdict.warnings and not verdict.errors
    report = '\n'.join(verdict.report)
    assert 'opened 16 of 1,500 images' in report
    expected = (
        '0 without a box' if 'retinanet' in name else 'labels of 11 of 11'
    )
    assert expected in report


def test_the_configs_own_hook_is_the_only_one(tmp_path):
    root = write_boxes(tmp_path / 'data')
    cfg = data_runs.config(data_runs.coco(root), tmp_path / 'run')
    cfg.custom_hooks = [dict(type='TrainingDataHook', sample_size=2)]
    data_runs.train(cfg)
    log = data_runs.log_of(tmp_path / 'run')
    assert log.count('Training data:') == 1
    assert 'opened 2 of 4 images' in log


def test_in_other_programs_boxes_are_counted_from_the_items(tmp_path):
    root = write_boxes(tmp_path / 'data')
    data = data_runs.coco(root, metainfo=dict(classes=('RBC', *ANIMALS[1:])))
    cfg = data_runs.config(data, tmp_path / 'run')
    cfg.custom_hooks = [dict(type='TrainingDataHook')]
    Runner.from_cfg(cfg).train()
    log = data_runs.log_of(tmp_path / 'run')
    # Without the names of the file, those that are numbered by it.
    assert '8 boxes in 2 of 3 classes' in log


def test_in_other_programs_no_box_is_an_error(tmp_path):
    root = write_boxes(tmp_path / 'data')
    data = data_runs.coco(root, metainfo=dict(classes=('RBC',) * 3))
    cfg = data_runs.config(data, tmp_path / 'run')
    cfg.custom_hooks = [dict(type='TrainingDataHook')]
    with pytest.raises(ValueError, match='no box of any class'):
        Runner.from_cfg(cfg).train()


@DATASETS.register_module()
class Foreign(Dataset):
    """Of no library of OpenMMLab."""

    def __init__(self, inner):
        self.items = DATASETS.build(inner)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_data_sets_of_other_libraries_train_and_are_named(tmp_path):
    root = write_boxes(tmp_path / 'data')
    data = dict(type='Foreign', inner=data_runs.coco(root))
    cfg = data_runs.config(data, tmp_path / 'run')
    data_runs.train(cfg)
    log = data_runs.log_of(tmp_path / 'run')
    assert 'Foreign' in log.partition('Training data:')[2]
    assert 'were not looked at' in log
    assert 'Iter(train)' in log


def test_looking_that_fails_ends_no_run(tmp_path, monkeypatch):
    def fail(*args):
        raise RuntimeError('of this check')

    monkeypatch.setattr(training_data_hook, 'inspect_sample', fail)
    root = write_boxes(tmp_path / 'data')
    data_runs.train(data_runs.config(data_runs.coco(root), tmp_path / 'run'))
    log = data_runs.log_of(tmp_path / 'run')
    assert 'looking failed (RuntimeError: of this check)' in log
    assert 'Iter(train)' in log


def test_ranks_that_do_not_look_end_too(monkeypatch):
    """Those would wait for the one that looked."""
    hook, loop = TrainingDataHook(), type('Loop', (), {})()
    monkeypatch.setattr(training_data_hook, 'is_main_process', lambda: False)
    monkeypatch.setattr(
        training_data_hook,
        'broadcast_object_list',
        lambda errors: errors.__setitem__(0, 'of rank 0'),
    )
    runner = type('Runner', (), dict(_train_loop=loop))
    with pytest.raises(ValueError, match='of rank 0'):
        hook.before_run(runner)


def test_testing_does_not_look():
    runner = type('Runner', (), dict(_train_loop=dict(by_epoch=True)))
    TrainingDataHook().before_run(runner)


def test_no_check_adds_nothing(tmp_path):
    root = write_boxes(tmp_path / 'data')
    cfg = data_runs.config(data_runs.coco(root), tmp_path / 'run')
    runner = training.training_runner(cfg, TrainingOptions(check=False))
    assert not any(isinstance(h, TrainingDataHook) for h in runner.hooks)
    assert runner.build_dataloader is Runner.build_dataloader


def looked_at(dataset: dict, model=None):
    """The verdict on a data set that was not observed."""
    loop = type('Loop', (), {})()
    built = DATASETS.build(dataset)
    loop.dataloader = type('Loader', (), dict(dataset=built))
    return training_data_hook._look_at(loop, 2, model)


class Head(torch.nn.Module):
    num_classes = 4

    def __init__(self, ignore_index):
        super().__init__()
        self.ignore_index = ignore_index


class Distiller(torch.nn.Module):
    def __init__(self, student, teacher):
        super().__init__()
        self.architecture, self.teacher = student, teacher


@pytest.mark.parametrize(
    'model, expected',
    [
        (None, (set(), None)),
        (torch.nn.Linear(1, 1), (set(), None)),
        (Head(254), ({254}, {254})),
        (Head(None), (set(), None)),
        (torch.nn.Sequential(Head(254), Head(0)), ({254, 0}, set())),
        (Wrapper(Head(254)), ({254}, {254})),
        (Wrapper(Distiller(Head(254), Head(0))), ({254}, {254})),
    ],
)
def test_labels_that_heads_ignore(model, expected):
    assert training_data_hook._ignored_by(model) == expected


def test_the_models_ignored_labels_pass(tmp_path):
    root = write_masks(tmp_path / 'data')
    for path in (root / 'masks').iterdir():
        labels = np.asarray(Image.open(path))
        Image.fromarray(np.where(labels > 2, 254, labels)).save(path)
    cfg = data_runs.config(data_runs.masks(root), tmp_path / 'run')
    cfg.model.decode_head.ignore_index = 254
    data_runs.train(cfg)
    assert 'Iter(train)' in data_runs.log_of(tmp_path / 'run')


def narrow(root):
    path = root / 'Annotations/2.xml'
    path.write_text(path.read_text().replace('<xmax>41<', '<xmax>3<'))
    return data_runs.voc(root)


FILTER = dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(1, 1))


@pytest.mark.parametrize('place', ['pipeline', 'nested', 'wrapper', ''])
def test_boxes_without_a_size_that_the_pipeline_may_remove(place, tmp_path):
    data = narrow(write_boxes(tmp_path / 'data'))
    load, boxes, pack = data['pipeline']
    if place == 'pipeline':
        data['pipeline'] = [load, boxes, FILTER, pack]
    elif place == 'nested':
        apply = dict(type='RandomApply', transforms=[FILTER])
        data['pipeline'] = [load, boxes, apply, pack]
    elif place == 'wrapper':
        data['pipeline'] = [load, boxes]
        data = dict(
            type='mmdet.MultiImageMixDataset',
            dataset=data,
            pipeline=[FILTER, pack],
        )
    verdict = looked_at(data)
    text = 'boxes without a finite, positive size'
    assert text in '\n'.join(verdict.warnings if place else verdict.errors)
    assert bool(verdict.errors) == (not place)
    if place:
        assert 'pipeline has FilterAnnotations' in verdict.warnings[0]


def test_large_data_sets_are_not_counted_again(tmp_path, monkeypatch):
    data = data_runs.coco(write_boxes(tmp_path / 'data'))
    monkeypatch.setattr(training_data_hook, '_COUNTED_AGAIN', 3)
    verdict = looked_at(data)
    assert 'it has 4 items, more than 3' in verdict.report[0]
    assert not verdict.errors and not verdict.warnings


def test_a_name_in_place_of_a_list_of_classes(tmp_path):
    root = write_boxes(tmp_path / 'data')
    verdict = looked_at(data_runs.coco(root, metainfo=dict(classes='cat')))
    assert not verdict.errors and not verdict.warnings


class Skip(Exception):
    """What a user's own step raises for the data set to catch."""


@TRANSFORMS.register_module()
class MayFail(BaseTransform):
    def transform(self, results):
        if results['img_id'] == 1:
            raise Skip('not this one')
        return results


@DATASETS.register_module()
class CocoThatSkips(CocoDataset):
    def __getitem__(self, index):
        try:
            return super().__getitem__(index)
        except Skip:
            return super().__getitem__(index + 1)


def test_data_sets_that_catch_their_own_errors_train_on(tmp_path):
    data = data_runs.coco(write_boxes(tmp_path / 'data'), type='CocoThatSkips')
    *load, pack = data['pipeline']
    data['pipeline'] = [*load, dict(type='MayFail'), pack]
    data_runs.train(data_runs.config(data, tmp_path / 'run', 4))
    assert data_runs.log_of(tmp_path / 'run').count('Iter(train)') == 4


class TwoNumbers(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)


class Failing:
    pipeline = None

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.pipeline(dict(img_path='a.jpg', seg_map_path='a.png'))


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize(
    'error',
    [
        ValueError('found 3', 4),
        RuntimeError('found 3'),
        KeyError('scale'),
        FileNotFoundError(2, 'No such file', 'b.png'),
        UnicodeDecodeError('utf-8', b'a', 0, 1, 'reason'),
        TwoNumbers(3, 4),
        StopAsyncIteration(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_keep_their_type_and_name_the_files(error, workers):
    def fail(data):
        raise error

    dataset = Failing()
    dataset.pipeline = Compose([fail])
    training_data_hook.name_files_in_errors(dataset)
    loader = DataLoader(dataset, num_workers=workers)
    # A worker's error that takes no message is a RuntimeError in torch.
    own_message = isinstance(error, UnicodeDecodeError | TwoNumbers)
    kind = RuntimeError if workers and own_message else type(error)
    with pytest.raises(kind) as caught:
        next(iter(loader))
    text = ''.join(traceback.format_exception(caught.value))
    assert 'while loading a.jpg with a.png' in text
    assert type(error).__name__ in text


@pytest.mark.parametrize(
    'folder, name, content, words',
    [
        (
            'masks',
            '1.png',
            'half',
            ['while loading', 'images/1.jpg with', 'masks/1.png'],
        ),
        ('masks', '1.png', '<html>', ['masks/1.png is an HTML page']),
        ('masks', '1.png', None, ['No such file', 'masks/1.png']),
        ('images', '1.jpg', '', ['images/1.jpg is an empty file']),
    ],
)
def test_files_that_were_not_opened_are_named_where_loading_fails(
    folder, name, content, words, tmp_path
):
    root = write_masks(tmp_path / 'data')
    path = root / folder / name
    if content is None:
        path.unlink()
    elif content == 'half':
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_text(content)
    cfg = data_runs.config(data_runs.masks(root), tmp_path / 'run', 4)
    cfg.custom_hooks = [dict(type='TrainingDataHook', sample_size=1)]
    with pytest.raises(Exception) as error:
        data_runs.train(cfg)
    text = ''.join(traceback.format_exception(error.value))
    for word in words:
        assert word in text
