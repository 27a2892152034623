"""A record stays what the module returned, whatever follows in place."""

import copy

import pytest
import torch
from mmrazor.models.task_modules import RecorderManager
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.algorithms.records import Records
from tests import tiny_models


class Block(nn.Module):
    """Changes in place what a norm and a convolution return."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.second = nn.Conv2d(2, 2, 1)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Identity()

    def forward(self, x):
        out = self.norm(self.conv(x))
        out += x
        # Through a view.
        return self.last(self.relu(self.second(out).transpose(2, 3)))


def records_of(source: str, kind: str = 'ModuleOutputs') -> Records:
    config = dict(a=dict(type=f'mmrazor.{kind}', source=source))
    return Records(RecorderManager(config), 'student')


def record(records: Records, model: nn.Module, x=None) -> torch.Tensor:
    with records.of(model):
        model(torch.ones(1, 2, 3, 3) if x is None else x)
    value = records.recorders.get_recorder('a').get_record_data()
    return value[0] if isinstance(value, tuple) else value


CHANGED = {
    ('ModuleOutputs', 'conv'): False,
    ('ModuleOutputs', 'norm'): True,
    ('ModuleOutputs', 'second'): True,
    # In place or not, it returns the same.
    ('ModuleOutputs', 'relu'): False,
    ('ModuleOutputs', 'last'): False,
    ('ModuleInputs', 'norm'): False,
    ('ModuleInputs', 'relu'): True,
}


@pytest.mark.parametrize('case', CHANGED)
def test_records_are_what_the_module_returned(case):
    kind, source = case
    torch.manual_seed(0)
    model, records = Block().eval(), records_of(source, kind)
    expected = []
    register = (
        'register_forward_pre_hook'
        if kind == 'ModuleInputs'
        else 'register_forward_hook'
    )
    getattr(model.get_submodule(source), register)(
        lambda module, inputs, *output: expected.append(
            (output[0] if output else inputs[0]).detach().clone()
        )
    )
    # Before anything is known, and once it is.
    first = record(records, model)
    assert records.changed() == ({'a'} if CHANGED[case] else set())
    records.copy_only(records.changed())
    second = record(records, model)
    assert torch.equal(first, expected[0])
    assert torch.equal(second, expected[1])
    records.require_unchanged('a')


def test_only_what_is_changed_is_copied():
    model, records = Block().eval(), records_of('conv')
    record(records, model)
    records.copy_only(records.changed())
    returned = []
    model.conv.register_forward_hook(lambda *args: returned.append(args[-1]))
    assert record(records, model) is returned[0]


def test_change_that_the_dry_run_did_not_see_is_an_error_that_names_it():
    model, records = Block().eval(), records_of('norm')
    records.copy_only(())
    record(records, model)
    with pytest.raises(RuntimeError, match="recorders.a.source='norm'"):
        records.require_unchanged('a')


def test_gradients_pass_a_copy():
    model, records = Block().train(), records_of('norm')
    x = torch.randn(2, 2, 3, 3)
    found = record(records, model, x)
    weights = torch.randn_like(found)
    expected = torch.autograd.grad(
        (weights * model.norm(model.conv(x))).sum(), model.norm.weight
    )
    found = torch.autograd.grad((weights * found).sum(), model.norm.weight)
    torch.testing.assert_close(found, expected)


def test_inference_mode_has_no_counters():
    with torch.inference_mode():
        assert record(records_of('norm'), Block().eval()).is_inference()


def test_hooks_are_there_only_while_a_forward_is_recorded():
    model, records = Block(), records_of('norm')

    def hooks() -> int:
        return len(model.norm._forward_hooks)

    assert hooks() == 0
    with records.of(model):
        assert hooks() == 1
    assert hooks() == 0
    with pytest.raises(KeyError), records.of(model):
        raise KeyError
    assert hooks() == 0


def test_records_come_before_hooks_that_replace_an_output():
    model, records = Block().eval(), records_of('conv')
    model.conv.register_forward_hook(lambda *args: args[-1].detach())
    assert record(records, model).requires_grad


def test_replaced_modules_and_copies_are_recorded():
    model, records = Block().eval(), records_of('norm')
    record(records, model)
    records.copy_only(records.changed())
    model.norm = nn.BatchNorm2d(2).eval()
    nn.init.constant_(model.norm.bias, 3.0)
    x = torch.ones(1, 2, 3, 3)
    expected = model.norm(model.conv(x))
    assert torch.equal(record(records, model), expected)
    twin = copy.deepcopy(model)
    nn.init.constant_(twin.norm.bias, 5.0)
    assert torch.equal(record(records, twin), expected + 2)


def test_parameters_are_those_of_the_model():
    model, records = Block(), records_of('norm.bias', 'Parameter')
    assert record(records, model) is model.norm.bias
    model.norm = nn.BatchNorm2d(2)
    assert record(records, model) is model.norm.bias
    assert records.has('a')


def test_dropped_records_are_freed():
    model, records = Block().eval(), records_of('norm')
    records.copy_only(())
    with records.of(model):
        model.norm(torch.ones(1, 2, 3, 3))
        records.drop('a')
        assert records.count('a') == 1
        assert records.tensors() == []
    records.forget()
    assert records.count('a') == 0


# ----------------------------------------------------------- in distillation


def bottlenecks() -> dict:
    """A student whose blocks share one activation among three places."""
    model = tiny_models.retinanet()
    model.backbone.update(depth=50)
    model.neck.in_channels = [32, 64, 128, 256]
    return model


@pytest.mark.parametrize(
    'options', [{}, dict(teacher_dtype='bfloat16'), dict(dry_run_size=None)]
)
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
    model.distiller.distill_losses['loss_distill'].register_forward_pre_hook(
        lambda module, args, features: found.extend(
            features[name].detach().clone()
            for name in ('t_feature', 's_feature')
        ),
        with_kwargs=True,
    )
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    model(**data, mode='loss')
    assert len(found) == 2
    for value, output in zip(found, returned, strict=True):
        assert torch.equal(value, output)
        assert value.min() < 0


@pytest.mark.parametrize(
    'source',
    ['backbone.layer4', 'backbone.layer2.0.bn1', 'decode_head.convs.0.bn'],
)
def test_training_is_bit_for_bit_that_with_copies(source):
    gradients = []
    for size in (None, (64, 64)):
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
        model.train()
        data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
        torch.manual_seed(1)
        losses = model(**data, mode='loss')
        model.parse_losses(losses)[0].backward()
        assert losses['distill.loss_distill'] > 0
        gradients.append([p.grad for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours, theirs)


def test_activations_work_in_place_as_the_models_have_them():
    def in_place(model: nn.Module) -> list[str]:
        return [
            name
            for name, module in model.named_modules()
            if getattr(module, 'inplace', False)
        ]

    config = tiny_models.fcn_pair()
    model = MODELS.build(config)
    plain = MODELS.build(tiny_models.fcn())
    assert in_place(plain)
    assert in_place(model) == in_place(plain)
    assert in_place(model.teacher)


def test_change_in_the_loss_is_found_in_training():
    model = MODELS.build(tiny_models.fcn_pair()).train()
    source = model._student_records.source('features')
    # The dry run does not go through the loss.
    head = model.decode_head

    def spoil(*args, **kwargs):
        model._student_records.tensors()[0].mul_(2)
        return original(*args, **kwargs)

    original, head.loss_by_feat = head.loss_by_feat, spoil
    data = model.data_preprocessor(tiny_models.segmentation_batch(), True)
    with pytest.raises(RuntimeError, match=f'source={source!r}'):
        model(**data, mode='loss')


def test_change_of_a_record_of_the_teacher_is_found_in_training(monkeypatch):
    model = MODELS.build(tiny_models.retinanet_pair())
    monkeypatch.setattr(
        model._teacher_forward.records, 'changed', lambda: {'features'}
    )
    batch = model.data_preprocessor(tiny_models.detection_batch(), True)
    with pytest.raises(
        RuntimeError, match=r'teacher_recorders\.features.*the teacher has'
    ):
        model(**batch, mode='loss')
