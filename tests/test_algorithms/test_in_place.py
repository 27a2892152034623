"""In-place activations are on where they overwrite no record."""

import pytest
import torch
from mmrazor.models.task_modules import RecorderManager
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.algorithms.in_place import InPlaceActivations
from cankd_mm.algorithms.recorded_forward import recorded_tensors
from tests import tiny_models


class Net(nn.Module):
    """Three activations, one of them called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 2, 1)
        self.second = nn.Conv2d(2, 2, 1)
        self.third = nn.Conv2d(2, 2, 1)
        self.once = nn.ReLU(inplace=True)
        self.twice = nn.LeakyReLU(inplace=True)
        self.never = nn.Hardswish(inplace=True)
        self.copying = nn.ReLU()

    def forward(self, x):
        x = self.once(self.first(x))
        x = self.twice(self.second(x).transpose(2, 3))
        return self.copying(self.twice(self.third(x)))


def allowed(source: str) -> set[str]:
    """The activations that work in place when a module is recorded."""
    net = Net()
    recorders = RecorderManager(
        dict(a=dict(type='mmrazor.ModuleOutputs', source=source))
    )
    recorders.initialize(net)
    activations = InPlaceActivations(net)
    assert not any(getattr(m, 'inplace', False) for m in net.modules())
    x = torch.randn(1, 2, 3, 4)
    with torch.no_grad(), recorders:
        with activations.watched():
            net(x)
        expected = recorders.get_recorder('a').get_record_data()
        activations.allow_harmless(recorded_tensors(recorders))
    with torch.no_grad(), recorders:
        net(x)
        found = recorders.get_recorder('a').get_record_data()
    assert torch.equal(found, expected)
    return {
        name
        for name, module in net.named_modules()
        if getattr(module, 'inplace', False)
    }


@pytest.mark.parametrize(
    'source, expected',
    [
        ('first', {'twice'}),
        # Through a view, in the first of two calls.
        ('second', {'once'}),
        ('third', {'once'}),
        # In place or not, it returns the same.
        ('once', {'once', 'twice'}),
        ('copying', {'once', 'twice'}),
    ],
)
def test_what_would_overwrite_a_record_stays_off(source, expected):
    assert allowed(source) == expected


def test_activations_that_were_not_seen_stay_off():
    net = Net()
    activations = InPlaceActivations(net)
    recorders = RecorderManager(
        dict(a=dict(type='mmrazor.ModuleOutputs', source='once'))
    )
    recorders.initialize(net)
    with recorders, activations.watched():
        pass
    activations.allow_harmless(recorded_tensors(recorders))
    assert not any(getattr(m, 'inplace', False) for m in net.modules())


def built(source: str, size: tuple[int, int] | None):
    torch.manual_seed(0)
    model = MODELS.build(
        tiny_models.distillation(
            tiny_models.fcn(),
            tiny_models.fcn(),
            source=source,
            loss=dict(type='L2Loss'),
            dry_run_size=size,
            fold_teacher_norms=False,
        )
    )
    model.init_weights()
    return model.train()


@pytest.mark.parametrize(
    'source, endangered',
    [
        ('backbone.layer4', None),
        ('backbone.layer2.0.bn1', 'backbone.layer2.0.relu'),
        ('decode_head.convs.0.bn', 'decode_head.convs.0.activate'),
    ],
)
def test_training_is_bit_for_bit_that_with_copies(source, endangered):
    gradients = []
    for size in (None, (64, 64)):
        model = built(source, size)
        data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
        torch.manual_seed(1)
        losses = model(**data, mode='loss')
        model.parse_losses(losses)[0].backward()
        assert losses['distill.loss_distill'] > 0
        gradients.append([p.grad for p in model.student.parameters()])
        for network in (model.student, model.teacher):
            on = [
                name
                for name, module in network.named_modules()
                if getattr(module, 'inplace', False)
            ]
            assert bool(on) == (size is not None)
            assert endangered not in on
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_a_record_of_the_loss_alone_leaves_the_student_as_it_was():
    student = tiny_models.fcn()
    student.auxiliary_head = dict(
        student.decode_head, in_index=2, in_channels=32
    )
    config = tiny_models.distillation(
        student, tiny_models.fcn(), loss=dict(type='L2Loss')
    )
    recorder = dict(type='ModuleOutputs', source='auxiliary_head.convs.0.bn')
    config.distiller.student_recorders.features = recorder
    recorder = dict(type='ModuleOutputs', source='decode_head.convs.0.bn')
    config.distiller.teacher_recorders.features = recorder
    model = MODELS.build(config).train()
    assert not any(
        getattr(m, 'inplace', False) for m in model.student.modules()
    )
    assert any(getattr(m, 'inplace', False) for m in model.teacher.modules())
