"""Nothing of a checkpoint is executed, and its paths lead nowhere.

Every payload of :mod:`tests.hostile_files` is offered to everything that
reads a checkpoint; the pairs are counted.
"""

import copy
import os
import pickle
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner.checkpoint import _load_checkpoint_with_prefix
from mmrazor.utils import RuntimeInfo
from PIL import Image
from torch import nn

from cankd_mm.checkpoint.config_text import ConfigTextError
from cankd_mm.compat.checkpoint_loading import UnsafeCheckpointError
from cankd_mm.compat.checkpoint_resume import ForeignCheckpointError
from cankd_mm.utils.checkpoint import load_weights, read_checkpoint
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.distillation_config import plain_student_config
from cankd_mm.utils.model_config import build_model
from cankd_mm.utils.student_export import export_student
from tests import digits_run
from tests.commands import ROOT
from tests.forked_tools import fork_tool, fork_tool_unchecked
from tests.hostile_files import (
    config_texts,
    expression,
    write_pickles,
    yaml_texts,
)
from tests.reliability_table import count
from tests.tiny_models import (
    fcn,
    retinanet,
)
from tests.toy_run import toy_runner

# What waits for a process that was started all the same.
SECONDS = 0.5


@pytest.fixture(scope='module')
def toy_checkpoint(tmp_path_factory) -> dict:
    """What a run saves."""
    folder = tmp_path_factory.mktemp('toy') / 'own'
    runner = toy_runner(folder, epochs=1)
    runner.train()
    return torch.load(folder / 'epoch_1.pth', weights_only=False)


@pytest.fixture(scope='module')
def pickles(tmp_path_factory, toy_checkpoint) -> dict[Path, Path]:
    """Files that run code when they are unpickled, with their marks."""
    folder = tmp_path_factory.mktemp('pickles')
    return write_pickles(folder, toy_checkpoint)


# --------------------------------------------------------------------- pickles


def read_by_loader(path: str, folder: Path) -> None:
    CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')


def read_by_tools(path: str, folder: Path) -> None:
    """tools/test.py, publish_checkpoint.py."""
    read_checkpoint(path, 'checkpoint')


def read_by_export(path: str, folder: Path) -> None:
    """tools/export_student.py and StudentCheckpointHook."""
    export_student(path, folder / 'student.pth')


def read_as_weights(path: str, folder: Path) -> None:
    """teacher_ckpt, student_ckpt, tools/visualize_activation.py."""
    load_weights(nn.Linear(1, 1), path, 'model.teacher_ckpt')


def read_by_mmengine(path: str, folder: Path) -> None:
    """MMRazor's teacher_ckpt, and models that load their backbone."""
    load_checkpoint(nn.Linear(1, 1), path, map_location='cpu')


def read_by_prefix(path: str, folder: Path) -> None:
    _load_checkpoint_with_prefix('backbone', path)


def read_by_init_cfg(path: str, folder: Path) -> None:
    BaseModule(
        init_cfg=dict(type='Pretrained', checkpoint=path)
    ).init_weights()


def start_run(path: str | None, folder: Path, resume: bool) -> None:
    name = f'run{len(os.listdir(folder))}'
    if path is None:
        (folder / name).mkdir()
    runner = toy_runner(folder / name, epochs=1, load_from=path, resume=resume)
    runner.train()


def read_by_load_from(path: str, folder: Path) -> None:
    start_run(path, folder, resume=False)


def read_by_resume(path: str, folder: Path) -> None:
    start_run(path, folder, resume=True)


def read_by_auto_resume(path: str, folder: Path) -> None:
    work_dir = folder / f'auto{len(os.listdir(folder))}'
    work_dir.mkdir()
    shutil.copy(path, work_dir / 'epoch_1.pth')
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_1.pth'))
    toy_runner(work_dir, epochs=2, resume=True).train()


def read_by_det_inferencer(path: str, folder: Path) -> None:
    from mmdet.apis import DetInferencer

    DetInferencer(weights=path, device='cpu')


def read_by_seg_inferencer(path: str, folder: Path) -> None:
    from mmseg.apis import MMSegInferencer

    MMSegInferencer(None, weights=path, device='cpu')


READERS = [
    read_by_loader,
    read_by_tools,
    read_by_export,
    read_as_weights,
    read_by_mmengine,
    read_by_prefix,
    read_by_init_cfg,
    read_by_load_from,
    read_by_resume,
    read_by_auto_resume,
    read_by_det_inferencer,
    read_by_seg_inferencer,
]


@pytest.mark.parametrize('read', READERS)
def test_no_pickle_runs(read, pickles, tmp_path, record_property):
    for path in pickles:
        with pytest.raises(ValueError, match=r'\.pth'):
            read(str(path), tmp_path)
    time.sleep(SECONDS)
    assert [mark for mark in pickles.values() if mark.exists()] == []
    count(record_property, 'payloads', len(pickles))


def test_every_pickle_runs_where_nothing_is_restricted(
    tmp_path, toy_checkpoint
):
    """The payloads of the tests above are no duds."""
    for path, mark in write_pickles(tmp_path, toy_checkpoint).items():
        try:
            torch.load(path, weights_only=False)
        except Exception as error:
            print(path.name, 'ran and failed:', error)
        for _ in range(100):
            if mark.exists():
                break
            time.sleep(0.05)
        assert mark.exists(), path.name


# ---------------------------------------------------------------- config texts


def with_text(checkpoint: dict, text: str, path: Path) -> str:
    """A checkpoint with a config text wherever one is looked for."""
    content = copy.copy(checkpoint)
    content['meta'] = {**content['meta'], 'cfg': text, 'config': text}
    hub = dict(content['message_hub'])
    hub['runtime_info'] = {**hub['runtime_info'], 'cfg': text}
    hub['resumed_keys'] = {**hub['resumed_keys'], 'cfg': True}
    content['message_hub'] = hub
    torch.save(content, path)
    return str(path)


def read_by_runtime_info(path: str, folder: Path) -> None:
    """MMRazor's, if a message hub were all that a checkpoint says."""
    content = read_checkpoint(path, 'checkpoint')
    hub = MessageHub.get_current_instance()
    hub.load_state_dict(content['message_hub'])
    RuntimeInfo.config()


TEXT_READERS = [
    read_by_resume,
    read_by_auto_resume,
    read_by_det_inferencer,
    read_by_seg_inferencer,
    read_by_runtime_info,
]


@pytest.mark.parametrize('read', TEXT_READERS)
def test_no_config_text_runs(read, toy_checkpoint, tmp_path, record_property):
    names = config_texts(tmp_path / 'ran')
    for name in names:
        mark = tmp_path / f'ran_{name.replace(" ", "_")}'
        path = with_text(
            toy_checkpoint, config_texts(mark)[name], tmp_path / 'a.pth'
        )
        with pytest.raises(ConfigTextError, match='never executed') as error:
            read(path, tmp_path)
        assert not mark.exists(), name
        if read is not read_by_runtime_info:
            assert 'meta[' in str(error.value)
    count(record_property, 'payloads', len(names))


def test_a_config_text_of_another_type_is_refused(toy_checkpoint, tmp_path):
    path = with_text(toy_checkpoint, ['a = 1'], tmp_path / 'a.pth')
    with pytest.raises(ConfigTextError, match='found a list'):
        read_by_resume(path, tmp_path)


@pytest.mark.parametrize('file_format', ['.yaml', '.yml'])
def test_no_yaml_text_builds_objects(file_format, tmp_path, record_property):
    texts = yaml_texts(tmp_path / 'ran')
    for text in texts.values():
        with pytest.raises(ConfigTextError):
            Config.fromstring(text, file_format)
    assert not (tmp_path / 'ran').exists()
    count(record_property, 'payloads', len(texts))


def test_every_text_runs_where_it_is_executed(tmp_path):
    for name in config_texts(tmp_path / 'ran'):
        mark = tmp_path / f'ran_{name.replace(" ", "_")}'
        file = tmp_path / f'{mark.name}_config.py'
        file.write_text(config_texts(mark)[name])
        try:
            Config.fromfile(file)
        except Exception as error:
            print(name, 'ran and failed:', error)
        assert mark.exists(), name


def test_every_yaml_runs_where_it_is_trusted(tmp_path):
    for name in yaml_texts(tmp_path / 'ran'):
        mark = tmp_path / f'ran_{name}'
        file = tmp_path / 'a.yaml'
        file.write_text(yaml_texts(mark)[name])
        try:
            Config.fromfile(file)
        except Exception as error:
            print(name, 'ran and failed:', error)
        assert mark.exists(), name


# ---------------------------------------------------------- configs of a model


def inference_config(model: dict, scope: str) -> Config:
    """What an inferencer needs of a run's config."""
    kind = 'Det' if scope == 'mmdet' else 'Seg'
    return Config(
        dict(
            default_scope=scope,
            model=model,
            test_dataloader=dict(
                dataset=dict(
                    type='CocoDataset' if kind == 'Det' else 'ADE20KDataset',
                    ann_file='no-such-file.json',
                    pipeline=[
                        dict(type='LoadImageFromFile', backend_args=None),
                        dict(type='Resize', scale=(64, 64), keep_ratio=True),
                        dict(type=f'Pack{kind}Inputs'),
                    ],
                )
            ),
            visualizer=dict(
                type=f'{kind}LocalVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
            ),
        )
    )


def weights_with(config: Config, path: Path) -> str:
    """A checkpoint without weights that has a config."""
    meta = dict(
        cfg=config.pretty_text,
        dataset_meta=dict(classes=('a', 'b', 'c'), palette=[(1, 2, 3)] * 3),
    )
    torch.save(dict(state_dict={}, meta=meta), path)
    return str(path)


def infer(scope: str, model: Config | None, weights: str) -> None:
    """Builds an inferencer and shows it an image."""
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    if scope == 'mmdet':
        from mmdet.apis import DetInferencer

        inferencer = DetInferencer(model, weights, device='cpu')
    else:
        from mmseg.apis import MMSegInferencer

        inferencer = MMSegInferencer(model, weights, device='cpu')
    inferencer(image, return_vis=True)


def detection_gadgets(mark: Path) -> dict[str, dict]:
    """Options of a detector's config that run code, or write files."""
    run = expression(mark)
    module = f'module_{mark.name}'
    (mark.parent / f'{module}.py').write_text(f'{run}\n')
    script = mark.parent / f'{mark.name}.config.py'
    script.write_text(f'{run}\nmodel = dict(type="mmdet.RetinaNet")\n')
    pickled = mark.parent / f'{mark.name}.pkl'
    pickled.write_bytes(pickle.dumps(Evaluated(run)))
    student = dict(cfg_path=str(script))
    return {
        'a function as a model': {
            'model': dict(_delete_=True, type='os.makedirs', name=str(mark))
        },
        'a function in a model': {
            'model.backbone': dict(
                _delete_=True, type='os.makedirs', name=str(mark)
            )
        },
        'a process': {
            'model.neck': dict(
                _delete_=True,
                type='subprocess.check_output',
                args=['mkdir', str(mark)],
            )
        },
        "a function of mmengine's": {
            'model.backbone': dict(
                _delete_=True,
                type='mmengine.mkdir_or_exist',
                dir_name=str(mark),
            )
        },
        'a module': {'model.backbone': dict(_delete_=True, type=module)},
        'a part of a module': {'model.neck.type': f'{module}.Part'},
        'a scope': {'model.neck._scope_': module},
        'a scope of the model': {'model._scope_': module},
        'collate_fn': {'test_dataloader.collate_fn': f'{module}.collate'},
        'a type of nms': {'model.test_cfg.nms.type': run},
        'a call in a type of nms': {
            'model.test_cfg.nms.type': f'({run}, nms)[1]'
        },
        'a warp mode': {
            'model.bbox_head.anchor_generator': dict(
                _delete_=True, type='CameraMotionCompensation', warp_mode=run
            )
        },
        'the config of a teacher': {
            'model.type': 'KnowledgeDistillationSingleStageDetector',
            'model.teacher_config': str(script),
        },
        "a distillation's config": {
            'model': dict(
                _delete_=True,
                type='mmrazor.FrozenTeacherDistill',
                architecture=student,
                teacher=student,
                teacher_ckpt='a.pth',
                distiller=dict(),
            )
        },
        'a pickle of a data set': {
            'test_dataloader.dataset': dict(
                type='CrowdHumanDataset',
                data_root='',
                ann_file='',
                extra_ann_file=str(pickled),
                metainfo=dict(palette=[(1, 2, 3)] * 3),
            )
        },
        'a folder of a data set': {
            'test_dataloader.dataset': dict(
                type='DigitsDetectionDataset', data_root=str(mark)
            )
        },
        'a folder of a visualizer': {
            'visualizer.vis_backends': [
                dict(type='LocalVisBackend', save_dir=str(mark))
            ]
        },
        'the folder of a visualizer': {'visualizer.save_dir': str(mark)},
        **{
            name: {'model': dict(_delete_=True, **options)}
            for name, options in no_models(mark).items()
        },
    }


def no_models(mark: Path) -> dict[str, dict]:
    """Registered classes that are no models, and make or remove folders.

    Without ``keep_results`` the first removes its folder in the end; the
    second removes what is in its folder.
    """
    metrics = 'evaluation.metrics'
    return {
        'a metric of mmseg': dict(
            type=f'mmseg.{metrics}.citys_metric.CityscapesMetric',
            output_dir=str(mark),
            keep_results=True,
        ),
        'a metric of mmdet': dict(
            type=f'mmdet.{metrics}.cityscapes_metric.CityScapesMetric',
            outfile_prefix=str(mark),
            format_only=True,
        ),
        'a metric that dumps': dict(
            type=f'mmdet.{metrics}.dump_proposals_metric.DumpProposals',
            output_dir=str(mark),
        ),
        'a runner': dict(
            type='mmengine.runner.runner.Runner',
            model=dict(type='mmdet.models.losses.accuracy.Accuracy'),
            work_dir=str(mark),
            default_scope='mmdet',
            experiment_name=mark.name,
            cfg=dict(note='a runner in a model'),
        ),
    }


@pytest.fixture
def cityscapes(monkeypatch) -> None:
    """As if cityscapesscripts were installed."""
    from mmdet.evaluation.metrics import cityscapes_metric
    from mmseg.evaluation.metrics import citys_metric

    monkeypatch.setattr(cityscapes_metric, 'HAS_CITYSCAPESAPI', True)
    monkeypatch.setattr(citys_metric, 'CSEval', sys)


def segmentation_gadgets(mark: Path) -> dict[str, dict]:
    """The same for a segmentor."""
    pickled = mark.parent / f'{mark.name}.pkl'
    pickled.write_bytes(pickle.dumps(Evaluated(expression(mark))))
    yaml = mark.parent / f'{mark.name}.yaml'
    yaml.write_text(yaml_texts(mark)['apply'])
    loss = 'model.decode_head.loss_decode'
    return {
        'a pickle of weights': {f'{loss}.class_weight': str(pickled)},
        'a yaml of weights': {f'{loss}.class_weight': str(yaml)},
        'a function in a model': {
            'model.decode_head.norm_cfg': dict(
                type='os.makedirs', name=str(mark)
            ),
            'model.backbone': dict(
                _delete_=True, type='os.makedirs', name=str(mark)
            ),
        },
    }


class Evaluated:
    """Pickles as a call of ``eval``."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self):
        return eval, (self.text,)


# What is left out of a config, which then works.
LEFT_OUT = (
    'a scope',
    'a pickle of a data set',
    'a folder of a data set',
    'a folder of a visualizer',
    'the folder of a visualizer',
)
CASES = [
    ('mmdet', retinanet, detection_gadgets),
    ('mmseg', fcn, segmentation_gadgets),
]


def offered(scope, model, gadgets, folder: Path):
    """Yields name, mark and config of every gadget."""
    for number, name in enumerate(gadgets(folder / 'ran')):
        mark = folder / f'ran_{scope}_{folder.name}_{number}'
        config = inference_config(model(), scope)
        options = gadgets(mark)[name]
        for key, value in options.items():
            # `merge_from_dict` would keep what is to be replaced.
            *parents, last = key.split('.')
            part = config
            for parent in parents:
                part = part[parent]
            if isinstance(value, dict):
                old = {} if value.get('_delete_') else part.get(last) or {}
                value = {**old, **value}
                value.pop('_delete_', None)
            part[last] = value
        yield name, mark, config


@pytest.mark.parametrize(('scope', 'model', 'gadgets'), CASES)
def test_nothing_runs_that_the_config_in_a_checkpoint_names(
    scope, model, gadgets, tmp_path, monkeypatch, cityscapes, record_property
):
    monkeypatch.setattr(sys, 'path', [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    gadget_count = 0
    for name, mark, config in offered(scope, model, gadgets, tmp_path):
        before = set(os.listdir(tmp_path)) | {'a.pth'}
        try:
            infer(scope, None, weights_with(config, tmp_path / 'a.pth'))
        except (ValueError, KeyError, TypeError) as error:
            assert 'a.pth' in str(error) or 'in a config' in str(error), error
        else:
            # Only what is left out of a config may be no error.
            assert name in LEFT_OUT, name
        assert not mark.exists(), name
        assert set(os.listdir(tmp_path)) == before, name
        gadget_count += 1
    count(record_property, 'payloads', gadget_count)


@pytest.mark.parametrize(('scope', 'model', 'gadgets'), CASES)
def test_the_same_configs_run_where_they_are_given(
    scope, model, gadgets, tmp_path, monkeypatch, cityscapes
):
    """A config that the user names is code; and the gadgets are no duds."""
    from cankd_mm.compat import checkpoint_inference

    for module in checkpoint_inference._EVALUATING:
        if module in sys.modules:
            monkeypatch.delattr(sys.modules[module], 'eval', raising=False)
    monkeypatch.setattr(sys, 'path', [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    for name, mark, config in offered(scope, model, gadgets, tmp_path):
        weights = weights_with(config, tmp_path / 'a.pth')
        try:
            infer(scope, config, weights)
        except Exception as error:
            print(name, 'ran and failed:', error)
        assert mark.exists(), name


@pytest.mark.parametrize(
    ('scope', 'model'), [('mmdet', retinanet), ('mmseg', fcn)]
)
def test_an_inferencer_is_built_from_weights_only(scope, model, tmp_path):
    config = inference_config(model(), scope)
    infer(scope, None, weights_with(config, tmp_path / 'a.pth'))


def test_full_paths_of_registered_classes_are_found(tmp_path):
    config = inference_config(retinanet(), 'mmdet')
    config.model.pop('_scope_')
    config.model.type = 'mmdet.models.detectors.retinanet.RetinaNet'
    config.model.backbone.type = 'mmdet.models.backbones.resnet.ResNet'
    config.model.backbone.norm_cfg.type = (
        'torch.nn.modules.batchnorm.BatchNorm2d'
    )
    infer('mmdet', None, weights_with(config, tmp_path / 'a.pth'))
    config.model.backbone.type = 'mmdet.models.backbones.ResNet'
    with pytest.raises(UnsafeCheckpointError, match=r'backbones\.ResNet'):
        infer('mmdet', None, weights_with(config, tmp_path / 'a.pth'))


# ------------------------------------------------ paths and values of a resume


class Tree:
    """Remembers what files a folder holds, to see that nothing changed."""

    def __init__(self, folder: Path, pattern: str = '*') -> None:
        self.folder, self.pattern = folder, pattern
        self.before = self.content()

    def content(self) -> dict[str, bytes | None]:
        return {
            str(path): path.read_bytes() if path.is_file() else None
            for path in sorted(self.folder.rglob(self.pattern))
        }

    def assert_unchanged(self) -> None:
        assert self.content() == self.before


def victims(folder: Path, work_dir: Path) -> dict[str, str]:
    """Paths that a run must not touch, by what they are."""
    outside = folder / 'victim'
    (outside / 'deep').mkdir(parents=True)
    for name in ('a.txt', 'deep/b.txt', 'best_acc_epoch_1.pth', 'epoch_1.pth'):
        (outside / name).write_text('precious')
    (work_dir / 'notes').mkdir(parents=True)
    (work_dir / 'notes' / 'a.txt').write_text('precious')
    (work_dir / 'config.py').write_text('precious')
    (work_dir / 'best_acc_epoch_7.pth').symlink_to(
        outside / 'best_acc_epoch_1.pth'
    )
    (work_dir / 'best_acc_epoch_8.pth').symlink_to(outside)
    (work_dir / 'best_acc_epoch_9.pth').mkdir()
    (work_dir / 'best_acc_epoch_9.pth' / 'a.txt').write_text('precious')
    return {
        'a folder': str(outside),
        'a file': str(outside / 'a.txt'),
        'a best checkpoint elsewhere': str(outside / 'best_acc_epoch_1.pth'),
        'a path with dots': f'{work_dir}/../victim/best_acc_epoch_1.pth',
        'a relative path': os.path.relpath(outside),
        'a folder of the run': str(work_dir / 'notes'),
        'the folder of the run': str(work_dir),
        'a config of the run': str(work_dir / 'config.py'),
        'a link to a file': str(work_dir / 'best_acc_epoch_7.pth'),
        'a link to a folder': str(work_dir / 'best_acc_epoch_8.pth'),
        'a folder named as a checkpoint': str(
            work_dir / 'best_acc_epoch_9.pth'
        ),
    }


# Nothing that exists: a guard that fails must not cost anybody a file.
NOWHERE = '/no/such/folder/best_acc_epoch_1.pth'
NOT_A_PATH = {
    'a number': 1,
    'a list': [NOWHERE],
    'a dict': {},
    'bytes': NOWHERE.encode(),
    'a null byte': f'{NOWHERE}\0',
}


def with_info(checkpoint: dict, path: Path, **info) -> str:
    """A checkpoint whose message hub holds other information."""
    content = copy.copy(checkpoint)
    hub = dict(content['message_hub'])
    hub['runtime_info'] = {**hub['runtime_info'], **info}
    hub['resumed_keys'] = {
        **hub['resumed_keys'],
        **dict.fromkeys(info, True),
    }
    content['message_hub'] = hub
    torch.save(content, path)
    return str(path)


def resumed(path: str, work_dir: Path, epochs: int = 2, **arguments):
    runner = toy_runner(
        work_dir, epochs=epochs, load_from=path, resume=True, **arguments
    )
    runner.train()
    return runner


def hooks(**options) -> dict:
    return dict(
        checkpoint=dict(type='CheckpointHook', save_best='acc', **options)
    )


@pytest.mark.parametrize('several', [False, True])
def test_no_path_of_a_checkpoint_is_removed_or_written(
    several, toy_checkpoint, tmp_path, record_property
):
    work_dir = tmp_path / 'run'
    paths = victims(tmp_path, work_dir)
    outside, notes = Tree(tmp_path / 'victim'), Tree(work_dir / 'notes')
    inside = Tree(work_dir / 'best_acc_epoch_9.pth')
    keys = ('best_ckpt', 'best_ckpt_acc', 'best_ckpt_x', 'last_ckpt')
    for name, value in {**paths, **NOT_A_PATH}.items():
        file = with_info(
            toy_checkpoint,
            tmp_path / 'a.pth',
            # Any score is better.
            best_score=-1.0,
            best_score_acc=-1.0,
            **dict.fromkeys(keys, value),
        )
        options = hooks(max_keep_ckpts=1)
        if several:
            options['checkpoint']['save_best'] = ['acc', 'acc2']
            options['checkpoint']['rule'] = 'greater'
        runner = resumed(file, work_dir, default_hooks=options)
        for tree in (outside, notes, inside):
            tree.assert_unchanged()
        assert (work_dir / 'config.py').read_text() == 'precious', name
        for link in ('7', '8'):
            assert (work_dir / f'best_acc_epoch_{link}.pth').is_symlink()
        info = runner.message_hub.runtime_info
        assert Path(info['last_ckpt']).parent == work_dir
        saved = [info[key] for key in keys[:2] if key in info]
        assert saved and all(Path(p).parent == work_dir for p in saved)
        assert 'best_ckpt_x' not in info
    count(record_property, 'payloads', len(paths) + len(NOT_A_PATH))


@pytest.mark.parametrize(
    'steps',
    [
        ['../victim/a', '../victim/deep'],
        ['../victim/epoch_1', 1],
        [True, False, None, -1, 1.5],
        'abc',
        {'a': 1},
        [[1], [2]],
    ],
)
def test_steps_to_keep_are_numbers(
    steps, toy_checkpoint, tmp_path, record_property
):
    count(record_property, 'payloads')
    work_dir = tmp_path / 'run'
    victims(tmp_path, work_dir)
    outside = Tree(tmp_path / 'victim')
    file = with_info(toy_checkpoint, tmp_path / 'a.pth', keep_ckpt_ids=steps)
    options = hooks(max_keep_ckpts=1, filename_tmpl='{}.txt')
    runner = resumed(file, work_dir, default_hooks=options)
    outside.assert_unchanged()
    assert runner.message_hub.get_info('keep_ckpt_ids') == [2]


def test_paths_of_the_run_itself_are_followed(tmp_path):
    """The best and the last checkpoint are replaced as without a stop."""
    work_dir = tmp_path / 'own'
    options = hooks(max_keep_ckpts=1)
    toy_runner(work_dir, epochs=1, default_hooks=options).train()
    (best,) = work_dir.glob('best_acc_*.pth')
    content = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    info = content['message_hub']['runtime_info']
    assert info['best_ckpt'] == str(best)
    info['best_score'] = -1.0
    torch.save(content, work_dir / 'epoch_1.pth')
    resumed(str(work_dir / 'epoch_1.pth'), work_dir, default_hooks=options)
    assert [p.name for p in work_dir.glob('*.pth')].count(best.name) == 0
    assert len(list(work_dir.glob('best_acc_*.pth'))) == 1
    assert not (work_dir / 'epoch_1.pth').exists()


def test_a_moved_run_goes_on_and_forgets_its_old_paths(tmp_path, capfd):
    first = tmp_path / 'first' / 'run'
    toy_runner(first, epochs=1).train()
    tree = Tree(first, '*.pth')
    moved = tmp_path / 'second' / 'moved'
    shutil.copytree(first, moved)
    resumed(str(moved / 'epoch_1.pth'), moved)
    tree.assert_unchanged()
    output = ''.join(capfd.readouterr())
    assert output.count('not of this run') == 1


def test_a_resumed_run_keeps_its_own_config_and_name(toy_checkpoint, tmp_path):
    file = with_info(
        toy_checkpoint,
        tmp_path / 'a.pth',
        cfg='work_dir = "/tmp/elsewhere"',
        experiment_name='another',
    )
    runner = resumed(file, tmp_path / 'run')
    assert runner.message_hub.get_info('cfg') == runner.cfg.pretty_text
    name = runner.message_hub.get_info('experiment_name')
    assert name == runner.experiment_name != 'another'
    saved = torch.load(tmp_path / 'run' / 'epoch_2.pth', weights_only=False)
    assert saved['message_hub']['runtime_info']['cfg'] == (
        runner.cfg.pretty_text
    )


def changed(checkpoint: dict, keys: tuple, value) -> dict:
    """The same checkpoint with another value; None takes the key out."""
    content = copy.copy(checkpoint)
    part = content
    for key in keys[:-1]:
        part[key] = copy.copy(part[key])
        part = part[key]
    if value is None:
        del part[keys[-1]]
    else:
        part[keys[-1]] = value
    return content


class Shadowed:
    """A history with a method replaced."""

    def __new__(cls):
        from mmengine.logging import HistoryBuffer

        history = HistoryBuffer([1.0], [1])
        history.mean = 1
        return history


WRONG_VALUES = [
    (('meta',), None, 'meta is missing'),
    (('meta',), [], r'meta is \(list\)'),
    (('meta', 'epoch'), None, r"meta\['epoch'\] is missing"),
    (('meta', 'epoch'), 'one', r"meta\['epoch'\] is 'one' \(str\)"),
    (('meta', 'epoch'), True, r"meta\['epoch'\] is True"),
    (('meta', 'epoch'), -1, r"meta\['epoch'\] is -1"),
    (('meta', 'iter'), 1.5, r"meta\['iter'\] is 1.5"),
    (('meta', 'seed'), 'abc', r"meta\['seed'\] is 'abc'"),
    (('message_hub',), None, 'message_hub is missing'),
    (('message_hub',), 'text', "message_hub is 'text'"),
    (('message_hub', 'runtime_info'), [], 'runtime_info'),
    (('message_hub', 'log_scalars'), None, 'log_scalars'),
    (('message_hub', 'resumed_keys'), 1, 'resumed_keys'),
    (('message_hub', 'log_scalars', 'train/loss'), Shadowed, 'train/loss'),
    (('optimizer',), [1], r'optimizer is \(list\)'),
    (('param_schedulers',), 'text', 'param_schedulers'),
    (('param_schedulers',), [1], 'param_schedulers'),
    (('param_schedulers',), [dict(step=1)], r"\['step'\]"),
    (('param_schedulers',), [dict(optimizer=1)], r"\['optimizer'\]"),
    (('param_schedulers',), [dict(_get_value=1)], r"\['_get_value'\]"),
]


@pytest.mark.parametrize(('keys', 'value', 'message'), WRONG_VALUES)
def test_what_no_run_saves_is_refused_by_file_and_key(
    keys, value, message, toy_checkpoint, tmp_path, record_property
):
    count(record_property, 'payloads')
    value = value() if isinstance(value, type) else value
    path = tmp_path / 'a.pth'
    torch.save(changed(toy_checkpoint, keys, value), path)
    with pytest.raises(ForeignCheckpointError, match=message) as error:
        resumed(str(path), tmp_path / 'run')
    for part in (str(path), 'expected', 'Resume from a checkpoint'):
        assert part in str(error.value)


@pytest.mark.parametrize('score', [float('nan'), float('inf'), 'best', []])
def test_a_best_score_that_is_no_number_is_forgotten(
    score, toy_checkpoint, tmp_path
):
    file = with_info(toy_checkpoint, tmp_path / 'a.pth', best_score=score)
    runner = resumed(file, tmp_path / 'run')
    assert runner.message_hub.get_info('best_score') == 0.5


def test_the_file_of_a_forgotten_score_stays(tmp_path):
    work_dir = tmp_path / 'run'
    toy_runner(work_dir, epochs=1).train()
    content = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    info = content['message_hub']['runtime_info']
    best = Path(info['best_ckpt'])
    file = with_info(content, tmp_path / 'a.pth', best_score=float('nan'))
    # Else a run of the same second, so of the same name, finds its entries.
    MessageHub._instance_dict.clear()
    resumed(file, work_dir)
    assert best.exists()
    assert (work_dir / 'best_acc_epoch_2.pth').exists()


# ----------------------------------------------------------------------- tools


def training(work_dir: Path, *arguments, epochs: int = 1, **options) -> list:
    """Arguments of a short distillation of digits."""
    return [
        digits_run.DISTILLATION,
        '--work-dir',
        work_dir,
        *arguments,
        '--cfg-options',
        *digits_run.student_options('model.architecture'),
        *digits_run.data_options(),
        *digits_run.training_options(epochs),
        'default_hooks.checkpoint.save_best=coco/bbox_mAP',
        'default_hooks.checkpoint.max_keep_ckpts=-1',
        f'model.student_ckpt={digits_run.TEACHER}',
        *(f'{key}={value}' for key, value in options.items()),
    ]


def pretrained(part: str, path: str) -> dict[str, str]:
    return {
        f'model.{part}.init_cfg.type': 'Pretrained',
        f'model.{part}.init_cfg.checkpoint': path,
    }


def tool_calls(path: str, folder: Path) -> dict[str, tuple]:
    """Every option of every tool that reads a checkpoint."""
    work_dir = folder / 'run'
    auto = folder / 'auto'
    auto.mkdir(exist_ok=True)
    shutil.copy(path, auto / 'epoch_1.pth')
    (auto / 'last_checkpoint').write_text(str(auto / 'epoch_1.pth'))
    image = folder / 'image.png'
    Image.new('RGB', (64, 64)).save(image)
    config = digits_run.DISTILLATION
    return {
        'train --resume PATH': (
            'train.py',
            *training(work_dir, '--resume', path, epochs=2),
        ),
        'train --resume': ('train.py', *training(auto, '--resume', epochs=2)),
        'train --teacher-ckpt': (
            'train.py',
            *training(work_dir, '--teacher-ckpt', path),
        ),
        'train --student-ckpt': (
            'train.py',
            *training(work_dir, '--student-ckpt', path),
        ),
        'train load_from': (
            'train.py',
            *training(work_dir, load_from=path),
        ),
        'train teacher.init_cfg': (
            'train.py',
            *training(work_dir, **pretrained('teacher', path)),
        ),
        'train architecture.init_cfg': (
            'train.py',
            *training(work_dir, **pretrained('architecture', path)),
        ),
        'test': ('test.py', config, path, '--work-dir', work_dir),
        'export_student': (
            'export_student.py',
            config,
            path,
            '--out',
            folder / 'student.pth',
        ),
        'publish_checkpoint': (
            'publish_checkpoint.py',
            path,
            folder / 'published.pth',
        ),
        'check_config --teacher-ckpt': (
            'check_config.py',
            config,
            '--teacher-ckpt',
            path,
        ),
        'visualize_activation': (
            'visualize_activation.py',
            'configs/digits/lakd_retinanet.py',
            path,
            image,
        ),
    }


OPTIONS = (
    'train --resume PATH',
    'train --resume',
    'train --teacher-ckpt',
    'train --student-ckpt',
    'train load_from',
    'train teacher.init_cfg',
    'train architecture.init_cfg',
    'test',
    'export_student',
    'publish_checkpoint',
    'check_config --teacher-ckpt',
    'visualize_activation',
)
# The reader that the tools share; the others are slow.
QUICK = ('test',)


@pytest.fixture(scope='module')
def digits(tmp_path_factory) -> Path:
    """The folder of a distillation with a best checkpoint."""
    work_dir = tmp_path_factory.mktemp('digits') / 'run'
    fork_tool('train.py', *training(work_dir, '--seed', 3))
    return work_dir


@pytest.fixture(scope='module')
def digits_checkpoint(digits) -> dict:
    """What the distillation saved."""
    return torch.load(digits / 'epoch_1.pth', weights_only=False)


def assert_tool_refuses(call: tuple, path: str, mark: Path) -> None:
    code, output = fork_tool_unchecked(*call)
    time.sleep(SECONDS)
    assert not mark.exists(), output[-3000:]
    assert code != 0, output[-3000:]
    name = os.path.basename(path)
    assert name in output or 'epoch_1.pth' in output, output[-3000:]


@pytest.mark.parametrize('option', QUICK)
def test_no_tool_runs_a_pickle(
    option, toy_checkpoint, tmp_path, record_property
):
    count(record_property, 'payloads')
    files = write_pickles(tmp_path, toy_checkpoint, ['os.system'])
    path, mark = next(iter(files.items()))
    call = tool_calls(str(path), tmp_path)[option]
    assert_tool_refuses(call, str(path), mark)


@pytest.mark.slow
@pytest.mark.parametrize('option', OPTIONS)
def test_no_option_of_a_tool_runs_a_pickle(
    option, toy_checkpoint, tmp_path, record_property
):
    count(record_property, 'payloads')
    files = write_pickles(tmp_path, toy_checkpoint, ['nested torch.load'])
    path, mark = next(iter(files.items()))
    call = tool_calls(str(path), tmp_path)[option]
    assert_tool_refuses(call, str(path), mark)


def test_resume_runs_no_config_text(toy_checkpoint, tmp_path, record_property):
    count(record_property, 'payloads')
    mark = tmp_path / 'ran'
    text = config_texts(mark)['an import']
    path = with_text(toy_checkpoint, text, tmp_path / 'a.pth')
    code, output = fork_tool_unchecked(
        'train.py', *training(tmp_path / 'run', '--resume', path, epochs=2)
    )
    assert code != 0 and 'found an import' in output, output[-3000:]
    assert path in output and not mark.exists()


def test_resume_removes_nothing_that_a_checkpoint_names(
    digits_checkpoint, tmp_path, record_property
):
    """In a process of its own, as a user runs it."""
    count(record_property, 'payloads')
    work_dir = tmp_path / 'run'
    paths = victims(tmp_path, work_dir)
    outside, notes = Tree(tmp_path / 'victim'), Tree(work_dir / 'notes')
    path = with_info(
        digits_checkpoint,
        tmp_path / 'a.pth',
        best_ckpt=paths['a folder'],
        last_ckpt=paths['a best checkpoint elsewhere'],
        keep_ckpt_ids=['../victim/epoch_1'],
        best_score=-1.0,
    )
    output = fork_tool(
        'train.py', *training(work_dir, '--resume', path, epochs=2)
    )
    outside.assert_unchanged()
    notes.assert_unchanged()
    assert 'not of this run' in output
    assert list(work_dir.glob('best_coco_bbox_mAP_epoch_2.pth'))


# ----------------------------------------------------------- what is no attack


@pytest.mark.slow
def test_a_distillation_resumes_bit_equal(tmp_path):
    """With everything above in force, from its own checkpoint."""
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    fork_tool('train.py', *training(whole, '--seed', 3, epochs=2))
    fork_tool(
        'train.py',
        *training(
            parts,
            *('--seed', 3, '--resume', whole / 'epoch_1.pth'),
            epochs=2,
        ),
    )
    a, b = (
        torch.load(folder / 'epoch_2.pth', weights_only=False)
        for folder in (whole, parts)
    )
    assert a['state_dict'].keys() == b['state_dict'].keys()
    for key, value in a['state_dict'].items():
        assert torch.equal(value, b['state_dict'][key]), key
    assert a['meta']['iter'] == b['meta']['iter'] == 8


@pytest.mark.parametrize(
    ('config', 'scope'),
    [
        ('configs/digits/cankd_retinanet.py', 'mmdet'),
        ('configs/digits/cankd_segmentor.py', 'mmseg'),
    ],
)
def test_a_students_own_file_is_enough_for_an_inferencer(
    config, scope, tmp_path
):
    cfg = plain_student_config(config_from_file(ROOT / config, 'config'))
    kind = 'Det' if scope == 'mmdet' else 'Seg'
    cfg.visualizer = dict(type=f'{kind}LocalVisualizer')
    with DefaultScope.overwrite_default_scope(scope):
        model = build_model(cfg.model, 'model')
    path = tmp_path / 'epoch_1_student.pth'
    meta = dict(
        cfg=cfg.pretty_text,
        dataset_meta=dict(
            classes=(*'0123456789', 'none')[: 10 + (scope == 'mmseg')],
            palette=[(0, 0, 0)] * (10 + (scope == 'mmseg')),
        ),
    )
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    infer(scope, None, str(path))


def test_a_distillation_checkpoint_is_refused_with_the_remedy(
    digits, tmp_path
):
    """Building one opens what its config names: the teacher's files."""
    with pytest.raises(ValueError, match='_student.pth'):
        infer('mmdet', None, str(digits / 'epoch_1.pth'))
