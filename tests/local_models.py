"""Small students of every backbone family, cut into four local modules."""

from dataclasses import dataclass

from mmengine.config import ConfigDict

from tests import tiny_models

_NORM = dict(type='BN', requires_grad=True)
_CHANNELS = 8


@dataclass(frozen=True)
class Family:
    """A backbone and where it is cut.

    Attributes:
        backbone: Its config.
        channels: Channels of its four outputs.
        strides: Their strides.
        inputs: Modules whose input is cut.
        outputs: Modules whose output is cut, for the same local modules.
        records: The last module of each local module.
        prefixes: What the names of each local module's parameters begin with,
            without 'backbone.'.
        data_idx: Which part of a record is compared.
    """

    backbone: dict
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    records: tuple[str, ...]
    prefixes: tuple[tuple[str, ...], ...]
    data_idx: int | None = None

    def cuts(self, on: str) -> list[dict]:
        """The truncations of a config."""
        names = self.inputs if on == 'input' else self.outputs
        return [dict(module=f'backbone.{name}', on=on) for name in names]

    def module_of(self, parameter: str) -> int | None:
        """The local module of a student's parameter, None behind them."""
        for index, prefixes in enumerate(self.prefixes):
            if parameter.startswith(tuple(f'backbone.{p}' for p in prefixes)):
                return index
        return None


FAMILIES = {
    'ResNet': Family(
        # Every convolution has a gradient at the first step.
        backbone=tiny_models.resnet(zero_init_residual=False),
        channels=(8, 16, 32, 64),
        strides=(4, 8, 16, 32),
        inputs=('layer2', 'layer3', 'layer4'),
        outputs=('layer1', 'layer2', 'layer3'),
        records=('layer1', 'layer2', 'layer3', 'layer4'),
        prefixes=(
            ('conv1.', 'bn1.', 'layer1.'),
            ('layer2.',),
            ('layer3.',),
            ('layer4.',),
        ),
    ),
    'MobileNetV2': Family(
        backbone=dict(
            type='MobileNetV2',
            widen_factor=0.25,
            out_indices=(1, 2, 4, 6),
            norm_cfg=_NORM,
        ),
        channels=(8, 8, 24, 80),
        strides=(4, 8, 16, 32),
        inputs=('layer3', 'layer4', 'layer6'),
        outputs=('layer2', 'layer3', 'layer5'),
        records=('layer2', 'layer3', 'layer5', 'layer7'),
        prefixes=(
            ('conv1.', 'layer1.', 'layer2.'),
            ('layer3.',),
            ('layer4.', 'layer5.'),
            ('layer6.', 'layer7.'),
        ),
    ),
    # A stage returns (downsampled, its size, output, its size): the first is
    # what the next stage takes, and reaches every parameter of this one.
    'Swin': Family(
        backbone=dict(
            type='SwinTransformer',
            embed_dims=8,
            depths=(1, 1, 1, 1),
            num_heads=(1, 2, 4, 8),
            window_size=2,
            drop_path_rate=0.0,
        ),
        channels=(8, 16, 32, 64),
        strides=(4, 8, 16, 32),
        inputs=('stages.1', 'stages.2', 'stages.3'),
        outputs=('stages.0', 'stages.1', 'stages.2'),
        records=('stages.0', 'stages.1', 'stages.2', 'stages.3'),
        prefixes=(
            ('patch_embed.', 'stages.0.'),
            ('stages.1.',),
            ('stages.2.',),
            ('stages.3.',),
        ),
        data_idx=0,
    ),
    # Stages are ModuleLists of patch embedding, blocks and norm.
    'MiT': Family(
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=8,
            num_layers=(1, 1, 1, 1),
            num_heads=(1, 2, 4, 8),
            drop_path_rate=0.0,
        ),
        channels=(8, 16, 32, 64),
        strides=(4, 8, 16, 32),
        inputs=('layers.1.0', 'layers.2.0', 'layers.3.0'),
        outputs=('layers.0.2', 'layers.1.2', 'layers.2.2'),
        records=('layers.0.2', 'layers.1.2', 'layers.2.2', 'layers.3.2'),
        prefixes=(
            ('layers.0.',),
            ('layers.1.',),
            ('layers.2.',),
            ('layers.3.',),
        ),
    ),
    'ViT': Family(
        backbone=dict(
            type='VisionTransformer',
            img_size=(64, 64),
            patch_size=16,
            embed_dims=16,
            num_layers=4,
            num_heads=2,
            out_indices=(0, 1, 2, 3),
            final_norm=False,
            with_cls_token=True,
        ),
        channels=(16, 16, 16, 16),
        strides=(16, 16, 16, 16),
        inputs=('layers.1', 'layers.2', 'layers.3'),
        outputs=('layers.0', 'layers.1', 'layers.2'),
        records=('layers.0', 'layers.1', 'layers.2', 'layers.3'),
        prefixes=(
            ('patch_embed.', 'cls_token', 'pos_embed', 'layers.0.'),
            ('layers.1.',),
            ('layers.2.',),
            ('layers.3.',),
        ),
    ),
}


def segmentor(family: Family) -> ConfigDict:
    """A semantic FPN that uses all four outputs of the backbone."""
    return ConfigDict(
        _scope_='mmseg',
        type='EncoderDecoder',
        data_preprocessor=tiny_models.SEGMENTATION_PREPROCESSOR.copy(),
        backbone=family.backbone,
        neck=dict(
            type='FPN',
            in_channels=list(family.channels),
            out_channels=_CHANNELS,
            num_outs=4,
        ),
        decode_head=dict(
            type='FPNHead',
            in_channels=[_CHANNELS] * 4,
            in_index=[0, 1, 2, 3],
            feature_strides=list(family.strides),
            channels=_CHANNELS,
            dropout_ratio=0.0,
            num_classes=4,
            norm_cfg=_NORM,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def distillation(family: Family, on: str = 'input', **kwargs) -> ConfigDict:
    """LocalModuleDistill between two students, a loss for each module."""
    recorders = {
        f'module{k}': dict(type='ModuleOutputs', source=f'backbone.{source}')
        for k, source in enumerate(family.records)
    }
    record = {} if family.data_idx is None else dict(data_idx=family.data_idx)
    config = ConfigDict(
        type='mmrazor.LocalModuleDistill',
        architecture=segmentor(family),
        teacher=segmentor(family),
        allow_random_teacher=True,
        dry_run_size=(64, 64),
        truncations=family.cuts(on),
        distiller=dict(
            type='mmrazor.ConfigurableDistiller',
            student_recorders=recorders,
            teacher_recorders=recorders,
            distill_losses={
                f'loss_{k}': dict(
                    type='mmrazor.L2Loss', normalize=False, div_element=True
                )
                for k in range(len(family.records))
            },
            loss_forward_mappings={
                f'loss_{k}': dict(
                    s_feature=dict(
                        from_student=True, recorder=f'module{k}', **record
                    ),
                    t_feature=dict(
                        from_student=False, recorder=f'module{k}', **record
                    ),
                )
                for k in range(len(family.records))
            },
        ),
    )
    config.update(kwargs)
    return config
