"""Small students for the components that ask for one of a kind."""

import mmdet.registry
import torch
from mmdet.models import RetinaNet
from torch import nn

from tests import tiny_models

_WIDTHS = (8, 16, 32, 64)


@mmdet.registry.MODELS.register_module(force=True)
class TinyConvNeXt(nn.Module):
    """Convolutions under the names that decay by stages reads."""

    def __init__(self) -> None:
        super().__init__()
        before = (3, *_WIDTHS[:-1])
        self.downsample_layers = nn.ModuleList(
            nn.Conv2d(i, o, 4 if i == 3 else 2, 4 if i == 3 else 2)
            for i, o in zip(before, _WIDTHS, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(o, o, 3, padding=1)) for o in _WIDTHS
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the features of the four stages."""
        features = []
        for down, stage in zip(
            self.downsample_layers, self.stages, strict=True
        ):
            x = stage(down(x))
            features.append(x)
        return tuple(features)


@mmdet.registry.MODELS.register_module(force=True)
class TinyBEiT(nn.Module):
    """Convolutions under the names that decay by layers reads."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, _WIDTHS[0], 4, 4)
        before = (_WIDTHS[0], *_WIDTHS[:-1])
        self.layers = nn.ModuleList(
            nn.Conv2d(i, o, 3, 1 if i == o else 2, padding=1)
            for i, o in zip(before, _WIDTHS, strict=True)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the features of the four layers."""
        x = self.patch_embed(x)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return tuple(features)


@mmdet.registry.MODELS.register_module(force=True)
class RetinaNetWithEpochs(RetinaNet):
    """A RetinaNet whose loss grows with the epoch that it is told."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the epoch from ``SetEpochInfoHook``."""
        self.epoch = epoch

    def loss(self, *args, **kwargs) -> dict:
        """Return the losses of RetinaNet, each times ``epoch + 1``."""
        return {
            name: [value * (self.epoch + 1) for value in values]
            for name, values in super().loss(*args, **kwargs).items()
        }


def _pair(student: dict, kwargs: dict) -> dict:
    return tiny_models.distillation(student, student, **kwargs)


def convnext_pair(**kwargs) -> dict:
    """CanKD between two RetinaNets on :class:`TinyConvNeXt`."""
    student = tiny_models.retinanet()
    student.backbone = dict(type='TinyConvNeXt')
    return _pair(student, kwargs)


def beit_pair(**kwargs) -> dict:
    """CanKD between two RetinaNets on :class:`TinyBEiT`."""
    student = tiny_models.retinanet()
    student.backbone = dict(type='TinyBEiT')
    return _pair(student, kwargs)


def epochs_pair(**kwargs) -> dict:
    """CanKD between two :class:`RetinaNetWithEpochs`."""
    student = tiny_models.retinanet()
    student.type = 'RetinaNetWithEpochs'
    return _pair(student, kwargs)


def yolox_pair(**kwargs) -> dict:
    """CanKD between two small YOLOX."""
    student = dict(
        _scope_='mmdet',
        type='YOLOX',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor', pad_size_divisor=32
        ),
        backbone=dict(
            type='CSPDarknet', deepen_factor=0.33, widen_factor=0.125
        ),
        neck=dict(
            type='YOLOXPAFPN',
            in_channels=[32, 64, 128],
            out_channels=16,
            num_csp_blocks=1,
        ),
        bbox_head=dict(
            type='YOLOXHead', num_classes=3, in_channels=16, feat_channels=16
        ),
        train_cfg=dict(assigner=dict(type='SimOTAAssigner')),
        test_cfg=dict(score_thr=0.01, nms=dict(type='nms', iou_threshold=0.5)),
    )
    return _pair(student, kwargs)
