"""Copies of model configs that train in seconds."""

import copy
from typing import Any

from mmengine.config import ConfigDict

from cankd_mm.utils.config_walk import dicts, type_name

#: Height and width of images. What finds a small one too small, such as the
#: two-stage DETRs with their 900 proposals, is given the large one, which has
#: the size of the dry run.
SMALL, LARGE = 128, 256
#: What needs more: SSD300 has that size, LR-ASPP pools windows of 49 by 49.
SIZES = {'mmdet/ssd': 300, 'mmseg/mobilenet_v3': 512}
#: A quarter of a ResNet's base width.
NARROW = 16
_RESNETS = ('ResNet', 'ResNetV1c', 'ResNetV1d')
_TRANSFORMERS = ('VisionTransformer', 'BEiT', 'MAE')
_WIDTH = 64
_GROUPS = 8
_ONE_SIZE = ('BEiT', 'MAE')
_LAYERS = 4
_REGIONS = 64
#: Channels of box heads; candidates and regions of an image; classes, of
#: which V3Det has ten times as many.
_MOST = dict(
    fc_out_channels=128, nms_pre=200, max_per_img=100, num_classes=1300
)


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


def narrowed(model: ConfigDict, width: int = NARROW) -> ConfigDict:
    """A copy with a quarter of a ResNet's width, and four layers of a ViT.

    An Hourglass gets a quarter of its inner width and single blocks. Box heads
    get narrow fully connected layers and few regions.

    Args:
        model: The model's config.
        width: Base width of a ResNet.
    """
    model = copy.deepcopy(model)
    for _, owner in list(dicts(model)):
        backbone = owner.get('backbone')
        if not isinstance(backbone, dict):
            continue
        kind = type_name(backbone)
        if kind in _RESNETS and 'base_channels' not in backbone:
            _narrow(owner, backbone, width)
        elif kind in _TRANSFORMERS:
            _shorten(backbone)
        elif kind == 'HourglassNet':
            _thin(backbone)
    for _, config in dicts(model):
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


def _narrow(owner: dict, backbone: dict, width: int) -> None:
    depth = backbone.get('depth')
    if depth not in (18, 34, 50, 101, 152):
        return
    backbone['base_channels'] = width
    backbone['depth'] = min(depth, 50)
    norm = backbone.get('norm_cfg') or {}
    if type_name(norm) == 'GN':
        norm['num_groups'] = min(norm['num_groups'], _GROUPS)
    expansion = 1 if depth < 50 else 4
    wide = {_WIDTH * expansion * 2**stage for stage in range(4)}
    parts = [owner['neck']] if owner.get('neck') else _heads(owner)
    for _, part in dicts(parts):
        for key, value in part.items():
            if key in ('in_channels', 'c1_in_channels'):
                part[key] = _scaled(value, wide, width)


def _heads(owner: dict) -> list[dict]:
    return [
        value
        for key, value in owner.items()
        if key != 'backbone' and isinstance(value, dict | list | tuple)
    ]


def _scaled(value: Any, wide: set[int], width: int) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_scaled(item, wide, width) for item in value)
    return value * width // _WIDTH if value in wide else value


def _thin(backbone: dict) -> None:
    channels = backbone['stage_channels']
    backbone['stage_channels'] = [
        width * NARROW // _WIDTH for width in channels
    ]
    backbone['stage_blocks'] = [1] * len(channels)


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
