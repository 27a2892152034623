"""What an inferencer may look up while it is built from a checkpoint.

Attacks are in ``tests/test_reliability/test_hostile_checkpoints.py``.
"""

import os
import sys

import pytest
from mmengine.config import Config
from mmengine.fileio import get_text, load
from mmengine.registry import (
    DATASETS,
    FUNCTIONS,
    HOOKS,
    METRICS,
    MODELS,
    OPTIMIZERS,
    RUNNERS,
    TASK_UTILS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    WEIGHT_INITIALIZERS,
    Registry,
    registry,
)
from mmengine.runner import CheckpointLoader

from cankd_mm.checkpoint.inference_config import without_paths
from cankd_mm.compat import checkpoint_inference
from cankd_mm.compat.checkpoint_inference import _Building, _building, _look_up
from cankd_mm.compat.checkpoint_loading import UnsafeCheckpointError


@pytest.fixture
def building():
    token = _building.set(_Building('a.pth'))
    yield _building.get()
    _building.reset(token)


def test_only_what_is_registered_is_found(building):
    from mmdet.models import RetinaNet

    assert MODELS.get('mmdet.RetinaNet') is RetinaNet
    path = f'{RetinaNet.__module__}.RetinaNet'
    assert MODELS.get(path) is RetinaNet
    assert building.refused.count(path) == 0
    for name in ('os.getcwd', 'os', 'mmengine.rmtree', 'mmdet.apis.x'):
        assert MODELS.get(name) is None
        assert name in building.refused


def test_a_registry_finds_nothing_of_another_kind(building):
    from mmdet.evaluation import DumpProposals
    from mmengine.hooks import EMAHook
    from mmengine.runner import Runner

    for cls in (DumpProposals, EMAHook, Runner):
        path = f'{cls.__module__}.{cls.__name__}'
        assert MODELS.get(path) is None
        assert path in building.refused


@pytest.mark.parametrize(
    ('asked', 'name'),
    [
        (RUNNERS, 'Runner'),
        (HOOKS, 'EMAHook'),
        (METRICS, 'mmdet.DumpProposals'),
        (VISBACKENDS, 'LocalVisBackend'),
        (OPTIMIZERS, 'SGD'),
        (Registry('a registry of nobody', scope='x'), 'X'),
    ],
)
def test_an_inferencer_asks_only_the_registries_that_it_needs(
    asked, name, building
):
    match = f"names '{name}' of the {asked.name} registry"
    with pytest.raises(UnsafeCheckpointError, match=match):
        asked.get(name)


def test_all_that_an_inferencer_needs_is_found(building):
    for asked, name in (
        (DATASETS, 'mmdet.CocoDataset'),
        (FUNCTIONS, 'pseudo_collate'),
        (TASK_UTILS, 'mmdet.AnchorGenerator'),
        (TRANSFORMS, 'mmdet.PackDetInputs'),
        (VISUALIZERS, 'mmdet.DetLocalVisualizer'),
        (WEIGHT_INITIALIZERS, 'Kaiming'),
    ):
        assert asked.get(name) is not None


@pytest.mark.parametrize(
    ('asked', 'name', 'library'),
    [
        (MODELS, 'mmdet.BertModel', 'Hugging Face'),
        (MODELS, 'mmdet.ATSSVLFusionHead', 'Hugging Face'),
        (MODELS, 'mmseg.TIMMBackbone', 'timm'),
        (
            MODELS,
            'mmseg.models.backbones.timm_backbone.TIMMBackbone',
            'timm',
        ),
        (TRANSFORMS, 'mmdet.RandomSamplingNegPos', 'Hugging Face'),
        (TRANSFORMS, 'mmdet.Albu', 'albumentations'),
        (TRANSFORMS, 'mmseg.Albu', 'albumentations'),
    ],
)
def test_nothing_passes_names_on_to_other_libraries(
    asked, name, library, building
):
    with pytest.raises(UnsafeCheckpointError, match=f'config on to {library}'):
        asked.get(name)


def test_anything_is_found_otherwise():
    assert MODELS.get('os.getcwd') is os.getcwd


def test_no_unknown_package_is_imported(building, tmp_path, monkeypatch):
    package = tmp_path / 'package_of_a_config'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'registry.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    MODELS.get('package_of_a_config.X')
    with MODELS.switch_scope_and_registry('package_of_a_config') as found:
        assert found is MODELS
    assert package.name not in sys.modules
    assert package.name in building.refused


def test_nothing_of_mmrazor_is_found(building):
    with pytest.raises(UnsafeCheckpointError, match='parts of MMRazor'):
        MODELS.get('mmrazor.CanKDLoss')
    with (
        pytest.raises(UnsafeCheckpointError, match='parts of MMRazor'),
        MODELS.switch_scope_and_registry('mmrazor'),
    ):
        pass


def test_no_other_file_is_opened(building, tmp_path):
    (tmp_path / 'a.json').write_text('{}')
    path = str(tmp_path / 'a.json')
    for read in (load, get_text):
        with pytest.raises(UnsafeCheckpointError, match='opens the file'):
            read(path)
    with pytest.raises(UnsafeCheckpointError, match='executes the config'):
        Config.fromfile(path)
    with pytest.raises(UnsafeCheckpointError, match='loads the weights'):
        CheckpointLoader.load_checkpoint('b.pth')
    # The weights that were given, which are not there.
    with pytest.raises(FileNotFoundError):
        CheckpointLoader.load_checkpoint('a.pth')


def test_files_are_opened_otherwise(tmp_path):
    (tmp_path / 'a.json').write_text('{"a": 1}')
    assert load(str(tmp_path / 'a.json')) == dict(a=1)
    assert Config.fromfile(tmp_path / 'a.json').a == 1


def test_names_are_looked_up_and_not_evaluated():
    from mmcv.ops import nms as module  # the function of the same name

    module = sys.modules[module.__module__]
    assert _look_up(module, 'nms') is module.nms
    assert _look_up(module, 'soft_nms') is module.soft_nms
    for text in ('nms()', '1 + 1', 'torch.load', 'no_such', 'ext_module', ''):
        with pytest.raises(ValueError, match='evaluated'):
            _look_up(module, text)


def test_a_number_of_opencv_is_looked_up():
    from mmdet.models.task_modules.tracking import CameraMotionCompensation

    checkpoint_inference._stop_evaluation()
    import cv2

    assert CameraMotionCompensation().warp_mode == cv2.MOTION_EUCLIDEAN


def test_a_config_loses_its_paths():
    from mmengine.dataset import BaseDataset

    config = Config(
        dict(
            model=dict(type='RetinaNet', init_cfg=dict(checkpoint='a.pth')),
            test_dataloader=dict(
                dataset=dict(
                    type='mmdet.CocoDataset',
                    data_root='/data',
                    ann_file='a.json',
                    metainfo=dict(classes=('a',), file='/etc/passwd'),
                    pipeline=[
                        dict(
                            type='LoadImageFromFile',
                            backend_args=dict(backend='petrel'),
                        )
                    ],
                )
            ),
            visualizer=dict(
                type='DetLocalVisualizer',
                save_dir='/tmp',
                vis_backends=[dict(type='LocalVisBackend')],
            ),
        )
    )
    found = without_paths(config, 'a.pth')
    dataset = found.test_dataloader.dataset
    assert dataset.keys() == {'type', 'metainfo', 'pipeline'}
    assert dataset.type is BaseDataset
    assert dataset.metainfo.classes == ('a',)
    assert len(dataset.metainfo.palette) == 80
    assert 'file' not in dataset.metainfo
    assert dataset.pipeline[0].backend_args is None
    assert found.visualizer.save_dir is found.visualizer.vis_backends is None


@pytest.mark.parametrize(
    ('model', 'key'),
    [
        (dict(teacher=dict(cfg_path='a.py')), 'model.teacher.cfg_path'),
        (dict(loss=dict(class_weight='a.pkl')), 'model.loss.class_weight'),
        (dict(teacher_config='a.py'), 'model.teacher_config'),
    ],
)
def test_a_model_of_a_file_is_refused_by_key(model, key):
    with pytest.raises(ValueError, match=f"^a.pth: {key}='a.p"):
        without_paths(Config(dict(model=model)), 'a.pth')


def test_needed_where_a_registry_imports(monkeypatch):
    assert checkpoint_inference.needed()
    monkeypatch.setattr(registry, 'get_object_from_string', lambda name: None)
    assert not checkpoint_inference.needed()
