"""Copies of model configs that need no download and train in seconds."""

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from torch import nn

_WEIGHTS = ('pretrained', 'teacher_ckpt', 'load_from', 'checkpoint')
#: Height and width of images. What finds a small one too small, such as the
#: two-stage DETRs with their 900 proposals, is given the large one, which has
#: the size of the dry run.
SMALL, LARGE = 128, 256
#: What needs more: SSD300 has that size, LR-ASPP pools windows of 49 by 49.
SIZES = {'mmdet/ssd': 300, 'mmseg/mobilenet_v3': 512}
_RESNETS = ('ResNet', 'ResNetV1c', 'ResNetV1d')
_TRANSFORMERS = ('VisionTransformer', 'BEiT', 'MAE')
_WIDTH, _NARROW = 64, 16
_GROUPS = 8
_ONE_SIZE = ('BEiT', 'MAE')
_LAYERS = 4
_REGIONS = 64
#: Channels of box heads; candidates and regions of an image; classes, of
#: which V3Det has ten times as many.
_MOST = dict(
    fc_out_channels=128, nms_pre=200, max_per_img=100, num_classes=1300
)


def dicts(config: Any) -> Iterator[dict]:
    """Yield every dict inside a config, outermost first."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from dicts(value)


def type_name(config: dict) -> str:
    """The class that a config builds, without its scope."""
    kind = config.get('type', '')
    name = kind if isinstance(kind, str) else kind.__name__
    return name.rpartition('.')[2]


def without_weights(model: ConfigDict) -> ConfigDict:
    """A copy that starts from random weights."""
    model = copy.deepcopy(model)
    for config in dicts(model):
        if type_name(config) == 'MultimodalEncoderDecoder':
            # SAN cannot start without a checkpoint.
            config['pretrained'] = _empty_checkpoint()
            config = {k: v for k, v in config.items() if k != 'pretrained'}
        for key in _WEIGHTS:
            if isinstance(config.get(key), str):
                config[key] = None
        init = config.get('init_cfg')
        inits = init if isinstance(init, list | tuple) else [init]
        kept = [
            i
            for i in inits
            # PVT's has a checkpoint and no type.
            if i and type_name(i) != 'Pretrained' and 'checkpoint' not in i
        ]
        if init and len(kept) < len(inits):
            config['init_cfg'] = kept or None
    return model


def _empty_checkpoint() -> str:
    file = Path(tempfile.mkdtemp(), 'empty.pth')
    torch.save({}, file)
    return str(file)


def with_own_teacher(model: ConfigDict, file: Path) -> ConfigDict:
    """A copy that has the teacher which it names as a file of a checkout.

    Args:
        model: The model of ``file``.
        file: A config of an installed package.
    """
    model = copy.deepcopy(model)
    path = model.get('teacher_config')
    if isinstance(path, str):
        # 'configs/family/name.py'
        teacher = Config.fromfile(file.parents[2] / path)
        model['teacher_config'] = ConfigDict(model=teacher.model)
    return model


def for_one_process(model: ConfigDict) -> ConfigDict:
    """A copy for a CPU: batch norms of one process, and small images.

    Images keep the size that they have: nothing pads them to a crop of 512
    or 1024 pixels.
    """
    model = copy.deepcopy(model)
    for config in dicts(model):
        if config.get('type') == 'SyncBN':
            config['type'] = 'BN'
        config.pop('batch_augments', None)
    return model


def for_images_of(model: ConfigDict, size: int) -> ConfigDict:
    """A copy that pads images to so many pixels, if it pads them at all.

    A BEiT takes images of no other size than its own.
    """
    model = copy.deepcopy(model)
    backbone = model.get('backbone') or {}
    if type_name(backbone) in _ONE_SIZE:
        backbone['img_size'] = (LARGE, LARGE)
    preprocessor = model.get('data_preprocessor') or {}
    if preprocessor.get('size') is not None:
        preprocessor['size'] = (size, size)
    return model


def narrowed(model: ConfigDict) -> ConfigDict:
    """A copy with a quarter of a ResNet's width, and four layers of a ViT.

    Box heads get narrow fully connected layers and few regions.
    """
    model = copy.deepcopy(model)
    for owner in list(dicts(model)):
        backbone = owner.get('backbone')
        if not isinstance(backbone, dict):
            continue
        kind = type_name(backbone)
        if kind in _RESNETS and 'base_channels' not in backbone:
            _narrow(owner, backbone)
        elif kind in _TRANSFORMERS:
            _shorten(backbone)
    for config in dicts(model):
        for key, most in _MOST.items():
            if isinstance(config.get(key), int):
                config[key] = min(config[key], most)
        if type_name(config) == 'CLIPTextEncoder':
            # It encodes each class with each of many templates.
            config['templates'] = ['a photo of a {}.']
            config['num_layers'] = 1
        if type_name(config) == 'FeatureRelayHead':
            # SCNet's, which is given what the box head computes.
            config['in_channels'] = _MOST['fc_out_channels']
        sampler = config.get('sampler')
        if isinstance(sampler, dict) and 'num' in sampler:
            sampler['num'] = min(sampler['num'], _REGIONS)
    return model


@torch.no_grad()
def settle(model: nn.Module) -> None:
    """Mend random weights that no model trains from.

    The stages of a random cascade move the boxes out of the image, where
    QueryInst pastes masks into no box at all: their regression starts near
    zero. The weights of a TridentConv, and some of SAN's, are those of a
    checkpoint, or whatever is in memory.
    """
    if type(model).__name__.endswith('MultimodalEncoderDecoder'):
        for parameter in model.parameters():
            if parameter.ndim > 1 or not parameter.isfinite().all():
                nn.init.normal_(parameter, std=0.02)
    for name, module in model.named_modules():
        if name.endswith('.fc_reg') and isinstance(module, nn.Linear):
            module.weight.mul_(0.01)
        elif type(module).__name__ == 'TridentConv':
            nn.init.kaiming_normal_(module.weight)


def _narrow(owner: dict, backbone: dict) -> None:
    depth = backbone.get('depth')
    if depth not in (18, 34, 50, 101, 152):
        return
    backbone['base_channels'] = _NARROW
    backbone['depth'] = min(depth, 50)
    norm = backbone.get('norm_cfg') or {}
    if type_name(norm) == 'GN':
        norm['num_groups'] = min(norm['num_groups'], _GROUPS)
    expansion = 1 if depth < 50 else 4
    wide = {_WIDTH * expansion * 2**stage for stage in range(4)}
    parts = [owner['neck']] if owner.get('neck') else _heads(owner)
    for part in dicts(parts):
        for key, value in part.items():
            if key in ('in_channels', 'c1_in_channels'):
                part[key] = _scaled(value, wide)


def _heads(owner: dict) -> list[dict]:
    return [
        value
        for key, value in owner.items()
        if key != 'backbone' and isinstance(value, dict | list | tuple)
    ]


def _scaled(value: Any, wide: set[int]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_scaled(item, wide) for item in value)
    return value * _NARROW // _WIDTH if value in wide else value


def _shorten(backbone: dict) -> None:
    layers = backbone.get('num_layers', 12)
    indices = backbone.get('out_indices', -1)
    count = len(indices) if isinstance(indices, list | tuple) else 1
    if layers > _LAYERS >= count:
        backbone['num_layers'] = _LAYERS
        if isinstance(indices, list | tuple):
            kept = range(_LAYERS)[-count:]
            backbone['out_indices'] = type(indices)(kept)
        elif indices >= 0:
            backbone['out_indices'] = _LAYERS - 1
