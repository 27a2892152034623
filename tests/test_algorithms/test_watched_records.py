"""A record stays what the module returned, whatever follows in place."""

import copy

import pytest
import torch
from mmrazor.models.task_modules import RecorderManager
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.algorithms.recorded_forward import follow_replaced_modules
from cankd_mm.algorithms.watched_records import WatchedRecords
from tests import tiny_models


class Residual(nn.Module):
    """Adds in place, as ResNet's blocks do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.last = nn.Identity()

    def forward(self, x):
        out = self.norm(self.conv(x))
        out += x
        return self.last(out)


def recorded(model: nn.Module, recorders: RecorderManager) -> torch.Tensor:
    with recorders:
        model(torch.ones(1, 2, 3, 3))
    return recorders.get_recorder('a').get_record_data()


def watched(
    kind: str = 'ModuleOutputs', source: str = 'norm'
) -> tuple[nn.Module, RecorderManager, WatchedRecords]:
    model = Residual().eval()
    recorders = RecorderManager(
        dict(a=dict(type=f'mmrazor.{kind}', source=source))
    )
    recorders.initialize(model)
    return model, recorders, WatchedRecords(recorders, model)


@pytest.mark.parametrize(
    'kind, source, changed',
    [
        ('ModuleOutputs', 'norm', {'a'}),
        ('ModuleInputs', 'norm', set()),
        ('ModuleInputs', 'last', set()),
        ('ModuleOutputs', 'last', set()),
    ],
)
def test_what_is_changed_behind_is_copied_from_then_on(kind, source, changed):
    model, recorders, records = watched(kind, source)
    with records.watched():
        first = recorded(model, recorders)
    hooks = len(model.get_submodule(source)._forward_hooks)
    assert records.copy_changed() == changed
    assert len(model.get_submodule(source)._forward_hooks) == hooks + len(
        changed
    )
    expected = model.norm(model.conv(torch.ones(1, 2, 3, 3)))
    if changed:
        assert torch.equal(first, expected + 1)
        recorders.get_recorder('a').reset_data_buffer()
        assert torch.equal(recorded(model, recorders), expected)


def test_a_copied_model_copies_its_own_records():
    config = tiny_models.distillation(
        tiny_models.retinanet(),
        tiny_models.retinanet(),
        source='backbone.layer4.1.bn2',
        loss=dict(type='mmrazor.L2Loss'),
    )
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    for network in (model.teacher, model.student):
        nn.init.ones_(network.backbone.layer4[1].bn2.weight)
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    first, second = (
        each.train()(**data, mode='loss')['distill.loss_distill']
        for each in (copy.deepcopy(model), model)
    )
    assert first > 0
    assert torch.equal(first, second)


def test_gradients_pass_a_copy():
    model, recorders, records = watched()
    model.train()
    with torch.no_grad(), records.watched():
        recorded(model, recorders)
    records.copy_changed()
    recorders.get_recorder('a').reset_data_buffer()
    x = torch.randn(2, 2, 3, 3)
    with recorders:
        model(x)
    record = recorders.get_recorder('a').get_record_data()
    weights = torch.randn_like(record)
    expected = torch.autograd.grad(
        (weights * model.norm(model.conv(x))).sum(), model.norm.weight
    )
    found = torch.autograd.grad((weights * record).sum(), model.norm.weight)
    torch.testing.assert_close(found, expected)


def test_a_replaced_module_is_copied_too():
    model, recorders, records = watched()
    with records.watched():
        recorded(model, recorders)
    changed = records.copy_changed()
    recorders.get_recorder('a').reset_data_buffer()
    model.norm = nn.BatchNorm2d(2).eval()
    follow_replaced_modules(recorders, model, changed)
    expected = model.norm(model.conv(torch.ones(1, 2, 3, 3)))
    assert torch.equal(recorded(model, recorders), expected)


def bottlenecks() -> dict:
    """A student whose blocks share one activation among three places."""
    model = tiny_models.retinanet()
    model.backbone.update(depth=50)
    model.neck.in_channels = [32, 64, 128, 256]
    return model


@pytest.mark.parametrize('options', [{}, dict(teacher_dtype='bfloat16')])
@pytest.mark.parametrize(
    'source', ['backbone.layer4.2.bn2', 'backbone.layer3.1.bn3']
)
def test_both_models_give_what_the_module_returned(source, options):
    torch.manual_seed(0)
    model = MODELS.build(
        tiny_models.distillation(
            bottlenecks(),
            bottlenecks(),
            source=source,
            loss=dict(type='mmrazor.L2Loss'),
            **options,
        )
    )
    model.init_weights()
    model.train()
    returned, found = [], []
    for network in (model.teacher, model.student):
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
        network.get_submodule(source).register_forward_hook(
            lambda module, inputs, output: returned.append(
                output.detach().float().clone()
            )
        )
    compute = model.distiller.compute_distill_losses

    def spy():
        found.extend(
            model.distiller.get_record('features', student).detach().clone()
            for student in (False, True)
        )
        return compute()

    model.distiller.compute_distill_losses = spy
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    model(**data, mode='loss')
    assert len(found) == 2
    for record, output in zip(found, returned, strict=True):
        assert torch.equal(record, output)
        assert record.min() < 0
