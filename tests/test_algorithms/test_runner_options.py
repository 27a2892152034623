"""Options of the runner that name modules find the student's."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import convert_sync_batchnorm
from mmrazor.registry import MODELS
from torch import nn

from tests import tiny_models
from tests.tried.runs import train

OPTIONS = {
    'efficient_conv_bn_eval': dict(
        options=dict(efficient_conv_bn_eval=['backbone'])
    ),
    'activation_checkpointing': dict(
        options=dict(activation_checkpointing=['backbone.layer1'])
    ),
    'compile': dict(options=dict(compile=dict(backend='eager'))),
    'accumulative_counts': dict(
        optim=dict(accumulative_counts=2, clip_grad=dict(max_norm=0.1))
    ),
    'ema_buffers': dict(hooks=[dict(type='EMAHook', update_buffers=True)]),
}


@pytest.mark.parametrize('option', OPTIONS)
def test_a_weight_of_0_is_plain_training(option):
    plain, distilled = (
        train(config, tiny_models.detection_batch, **OPTIONS[option])
        for config in (
            tiny_models.retinanet(),
            tiny_models.retinanet_pair(distill_weight=0.0),
        )
    )
    assert plain.saved.keys() == distilled.saved.keys()
    for name, value in plain.saved.items():
        assert torch.equal(value, distilled.saved[name]), name


@pytest.mark.parametrize('option', OPTIONS)
def test_a_teacher_trains_with_it(option):
    runner = train(
        tiny_models.retinanet_pair(),
        tiny_models.detection_batch,
        **OPTIONS[option],
    )
    loss = runner.message_hub.get_scalar(
        'train/distill.loss_distill'
    ).current()
    assert 0 < loss < float('inf')


class SetWeight(Hook):
    """Distils in the second epoch and the third."""

    def before_train_epoch(self, runner) -> None:
        runner.model.distill_weight = float(runner.epoch > 0)


def test_compiled_steps_see_that_a_teacher_begins():
    runs = [
        train(
            tiny_models.retinanet_pair(distill_weight=0.0),
            tiny_models.detection_batch,
            before=lambda runner: runner.register_hook(SetWeight()),
            **option,
        )
        for option in ({}, OPTIONS['compile'])
    ]
    expected, found = (
        run.message_hub.get_scalar('train/distill.loss_distill').current()
        for run in runs
    )
    assert expected > 0
    assert found == pytest.approx(expected, rel=1e-4)


def test_sync_bn_leaves_the_norms_of_the_losses():
    model = MODELS.build(tiny_models.retinanet_pair())
    before = dict(model.distiller.named_modules())
    model = convert_sync_batchnorm(model, 'torch').train()
    assert isinstance(model.backbone.bn1, nn.SyncBatchNorm)
    norms = {
        name: module
        for name, module in model.distiller.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }
    assert norms
    for name, norm in norms.items():
        assert norm is before[name]
        assert type(norm) is nn.BatchNorm2d
