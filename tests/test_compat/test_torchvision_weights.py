"""`torchvision://` names lead to their addresses without torchvision."""

import sys

import pytest
import torch
from mmengine.registry import MODELS
from mmengine.runner import checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from cankd_mm.compat import torchvision_weights


@pytest.fixture
def no_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)


@pytest.fixture
def requested(monkeypatch):
    """Addresses that are downloaded; none is."""
    addresses = []

    def load(url, **options):
        addresses.append(url)
        return dict(weight=torch.ones(1))

    monkeypatch.setattr(checkpoint, 'load_from_http', load)
    return addresses


def test_not_needed_twice():
    assert not torchvision_weights.needed()


def test_needed_where_the_look_up_imports_torchvision(monkeypatch):
    before = sys.modules.get('torchvision')
    original = checkpoint.get_torchvision_models.__wrapped__
    monkeypatch.setattr(checkpoint, 'get_torchvision_models', original)
    assert torchvision_weights.needed()
    assert sys.modules.get('torchvision') is before


@pytest.mark.parametrize('depth', [18, 34, 50, 101])
def test_name_leads_to_an_address(depth, no_torchvision, requested):
    CheckpointLoader.load_checkpoint(f'torchvision://resnet{depth}')
    (address,) = requested
    assert address.startswith('https://')
    assert f'/resnet{depth}-' in address and address.endswith('.pth')


def test_broken_torchvision_is_no_obstacle(tmp_path, monkeypatch, requested):
    # What one does that was built for another torch.
    package = tmp_path / 'torchvision'
    package.mkdir()
    (package / '__init__.py').write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'torchvision', raising=False)
    CheckpointLoader.load_checkpoint('torchvision://resnet50')
    assert len(requested) == 1
    with pytest.raises(ValueError, match='nms does not exist'):
        CheckpointLoader.load_checkpoint('torchvision://resnet5')


def test_unknown_name_is_explained(no_torchvision, requested):
    with pytest.raises(ValueError, match="'torchvision://resnet5'") as error:
        CheckpointLoader.load_checkpoint('torchvision://resnet5')
    assert 'install the torchvision' in str(error.value)
    assert not requested


def test_with_torchvision_its_own_names_are_known(requested):
    pytest.importorskip('torchvision', exc_type=Exception)
    CheckpointLoader.load_checkpoint('torchvision://resnet50.imagenet1k_v2')
    CheckpointLoader.load_checkpoint('torchvision://resnet50')
    assert len(set(requested)) == 2


def test_backbone_starts_from_them(no_torchvision, monkeypatch):
    # Imported here: mmdet registers the backbone.
    import mmdet.models  # noqa: F401

    config = dict(type='mmdet.ResNet', depth=18)
    weights = MODELS.build(config).state_dict()
    weights['conv1.weight'] = torch.full_like(weights['conv1.weight'], 0.5)
    monkeypatch.setattr(
        checkpoint, 'load_from_http', lambda url, **options: weights
    )
    start = dict(type='Pretrained', checkpoint='torchvision://resnet18')
    backbone = MODELS.build({**config, 'init_cfg': start})
    backbone.init_weights()
    assert (backbone.conv1.weight == 0.5).all()
