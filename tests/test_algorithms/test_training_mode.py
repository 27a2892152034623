"""The student is tried in the mode in which training records it."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS
from torch import nn

from tests import tiny_models

NORM = dict(type='BN', requires_grad=True)


def _segmentor(backbone: dict, decode_head: dict) -> ConfigDict:
    return ConfigDict(
        _scope_='mmseg',
        type='EncoderDecoder',
        data_preprocessor=tiny_models.SEGMENTATION_PREPROCESSOR.copy(),
        backbone=dict(channels=8, norm_cfg=NORM, **backbone),
        decode_head=dict(
            num_classes=4, norm_cfg=NORM, align_corners=False, **decode_head
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def ddrnet() -> ConfigDict:
    cross_entropy = dict(type='CrossEntropyLoss')
    return _segmentor(
        dict(type='DDRNet', ppm_channels=8),
        dict(
            type='DDRHead',
            in_channels=32,
            channels=16,
            dropout_ratio=0.1,
            loss_decode=[cross_entropy, cross_entropy],
        ),
    )


def pidnet() -> ConfigDict:
    cross_entropy = dict(type='CrossEntropyLoss')
    return _segmentor(
        dict(type='PIDNet', ppm_channels=8),
        dict(
            type='PIDHead',
            in_channels=32,
            channels=16,
            loss_decode=[cross_entropy] * 2
            + [
                dict(type='BoundaryLoss'),
                dict(type='OhemCrossEntropy', min_kept=100),
            ],
        ),
    )


def _batch() -> dict:
    batch = tiny_models.segmentation_batch()
    for sample in batch['data_samples']:
        sample.gt_edge_map = sample.gt_sem_seg.clone()
        sample.gt_edge_map.data = (sample.gt_sem_seg.data == 0).long()
    return batch


def _pair(student: dict, data_idx: int | None = None) -> ConfigDict:
    config = tiny_models.distillation(
        student,
        tiny_models.fcn(base_channels=4),
        source='backbone',
        loss=dict(type='mmrazor.CanKDLoss', in_channels=32),
    )
    arguments = config.distiller.loss_forward_mappings.loss_distill
    arguments.t_feature.data_idx = 3
    if data_idx is not None:
        arguments.s_feature.data_idx = data_idx
    return config


@pytest.mark.parametrize(
    'student, level', [(ddrnet, 1), (pidnet, 1)], ids=['ddrnet', 'pidnet']
)
def test_level_that_exists_in_training_only_trains(student, level):
    # In evaluation the backbone returns one tensor, whose first dimension
    # such an index would take.
    model = MODELS.build(_pair(student(), data_idx=level)).train()
    data = model.data_preprocessor(_batch(), True)
    losses = model(**data, mode='loss')
    assert losses['distill.loss_distill'].isfinite()


@pytest.mark.parametrize('student', [ddrnet, pidnet])
def test_evaluation_output_does_not_pass_for_training_output(student):
    with pytest.raises(ValueError, match=r"student 'backbone' \[\(1, "):
        config = _pair(student())
        config.distiller.distill_losses.loss_distill = dict(
            type='mmrazor.ChannelWiseDivergence'
        )
        arguments = config.distiller.loss_forward_mappings
        arguments.loss_distill = dict(
            preds_S=arguments.loss_distill.s_feature,
            preds_T=arguments.loss_distill.t_feature,
        )
        MODELS.build(config)


def _with_stateful_modules():
    """A student whose forward changes what it can in training."""
    student = MODELS.build(tiny_models.fcn())

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.InstanceNorm2d(64, track_running_stats=True)
            self.register_buffer('calls', torch.zeros(()))
            # As EMANet's bases, DropBlock's counter and a memory bank.
            self.register_buffer('replaced', torch.zeros(()))
            self.count, self.seen, self.loose = 0, [], torch.zeros(())

        def forward(self, features):
            self.calls += 1
            self.replaced = self.replaced + 1
            self.count += 1
            self.seen.append(features.shape)
            self.loose += 1
            return nn.functional.dropout(self.norm(features), 0.5)

    student.backbone.layer4.append(Counted())
    student.backbone.layer1.eval()
    return student


def test_trying_leaves_the_student_as_it_was():
    student = _with_stateful_modules()
    before = {k: v.clone() for k, v in student.named_buffers()}
    buffers = dict(student.named_buffers())
    modes = {name: m.training for name, m in student.named_modules()}
    counted = student.backbone.layer4[-1]
    torch.manual_seed(0)
    random_state = torch.get_rng_state()
    model = MODELS.build(
        tiny_models.distillation(
            student,
            tiny_models.fcn(),
            source='backbone.layer4',
            loss=tiny_models.segmentation_loss(),
        )
    )
    with model.plain():
        after = dict(model.named_buffers())
        assert {n: m.training for n, m in model.named_modules()} == modes
    assert torch.equal(torch.get_rng_state(), random_state)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert torch.equal(after[name], value), name
        assert after[name] is buffers[name], name
    assert (counted.count, counted.seen, counted.loose) == (0, [], 0)


def _detr() -> ConfigDict:
    from mmengine.hub import get_config

    config = get_config('mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py')
    model = config.model
    model._scope_ = 'mmdet'
    model.num_queries = 10
    model.backbone = tiny_models.resnet(8, out_indices=(1, 2, 3))
    model.neck.in_channels = [16, 32, 64]
    model.encoder.num_layers = 1
    model.decoder.num_layers = 1
    model.bbox_head.num_classes = 3
    model.dn_cfg.group_cfg.num_dn_queries = 4
    return model


@pytest.mark.parametrize('source', ['neck', 'encoder'])
def test_student_that_needs_labels_in_training_is_tried_without(source):
    loss = dict(type='mmrazor.CanKDLoss', in_channels=256, num_levels=3)
    if source == 'encoder':
        loss = dict(type='mmrazor.L2Loss')
    config = tiny_models.distillation(_detr(), _detr(), source=source)
    config.distiller.distill_losses.loss_distill = loss
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    losses = model(**data, mode='loss')
    assert losses['distill.loss_distill'].isfinite()
