"""MMRazor's own algorithms record what a module returned."""

import ast
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from mmcv.cnn import ConvModule
from mmrazor.models import BaseAlgorithm
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm import compat
from cankd_mm.compat import mmrazor_inplace
from tests import tiny_models

ALGORITHMS = ('SingleTeacherDistill', 'FpnTeacherDistill')
# Each is followed by an activation that works in place.
NORM = 'backbone.layer1.0.bn1'
HEAD = 'bbox_head.cls_convs.0.conv'


@pytest.fixture
def unpatched(monkeypatch):
    """MMRazor's function as its file has it."""
    base = sys.modules[mmrazor_inplace._MODULE]
    tree = ast.parse(Path(base.__file__).read_text())
    (function,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name == 'set_module_inplace_false'
    )
    namespace = dict(vars(base))
    code = compile(ast.Module([function], []), base.__file__, 'exec')
    exec(code, namespace)
    monkeypatch.setattr(BaseAlgorithm, function.name, namespace[function.name])


def in_place(model: nn.Module) -> list[str]:
    return [
        name
        for name, module in model.named_modules()
        if getattr(module, 'inplace', False)
    ]


def build(algorithm: str = ALGORITHMS[0], source: str = NORM, **kwargs):
    recorders = dict(a=dict(type='ModuleOutputs', source=source))
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            _scope_='mmrazor',
            type=algorithm,
            architecture=tiny_models.retinanet(),
            teacher=tiny_models.retinanet(),
            distiller=dict(
                type='ConfigurableDistiller',
                student_recorders=recorders,
                teacher_recorders=recorders,
                distill_losses=dict(loss=dict(type='L1Loss')),
                loss_forward_mappings=dict(
                    loss=dict(
                        s_feature=dict(from_student=True, recorder='a'),
                        t_feature=dict(from_student=False, recorder='a'),
                    )
                ),
            ),
            **kwargs,
        )
    )
    model.train()  # returns nothing
    return model


def record(model, of: str) -> torch.Tensor:
    recorders = getattr(model.distiller, f'{of}_recorders')
    return recorders.get_recorder('a').get_record_data()


def returned(model: nn.Module, source: str) -> list[torch.Tensor]:
    """Outputs of a module to come, each kept from what follows."""
    outputs = []
    model.get_submodule(source).register_forward_hook(
        lambda module, inputs, output: outputs.append(output.clone())
    )
    return outputs


def test_needed_by_the_function_itself(unpatched):
    assert mmrazor_inplace.needed()
    mmrazor_inplace.apply()
    assert not mmrazor_inplace.needed()


def test_applied_once_algorithms_are_imported():
    assert not mmrazor_inplace.needed()
    assert 'mmrazor_inplace' in compat.applied()


def test_not_needed_where_all_modules_are_walked(monkeypatch):
    def walk(self, architecture, varstr):
        for module in architecture.modules():
            module.inplace = False

    monkeypatch.setattr(BaseAlgorithm, 'set_module_inplace_false', walk)
    assert not mmrazor_inplace.needed()


def test_every_module_is_switched():
    model = nn.Sequential(
        ConvModule(1, 1, 1, act_cfg=dict(type='LeakyReLU')),
        nn.ModuleDict(dict(a=nn.Dropout(inplace=True), b=nn.ReLU6(True))),
    )
    model.register_module('none', None)
    assert in_place(model) == ['0', '0.activate', '1.a', '1.b']
    for found in (model, OrderedDict(a=model, b=None)):
        BaseAlgorithm.set_module_inplace_false(None, found, 'self.a')
        assert in_place(model) == []
        assert not model[0].inplace
        model[0].inplace = model[0].activate.inplace = True


@pytest.mark.parametrize('algorithm', ALGORITHMS)
def test_models_are_switched_unless_they_are_to_be_left(algorithm):
    left = in_place(build_plain())
    assert left
    model = build(algorithm)
    assert in_place(model.student) == in_place(model.teacher) == []
    model = build(algorithm, module_inplace=True)
    assert in_place(model.student) == left
    assert in_place(model.teacher) == []
    model = build(algorithm, teacher_module_inplace=True)
    assert in_place(model.student) == []
    assert in_place(model.teacher) == left


def build_plain(weights: dict | None = None) -> nn.Module:
    """The tiny detector as it is, with its activations in place."""
    model = MODELS.build(tiny_models.retinanet()).train()
    if weights is not None:
        model.load_state_dict(weights)
    return model


def frozen_teacher(weights: dict) -> nn.Module:
    """A teacher in the mode in which MMRazor's algorithms run it."""
    model = build_plain(weights).requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


CASES = [
    ('SingleTeacherDistill', NORM),
    ('SingleTeacherDistill', HEAD),
    ('FpnTeacherDistill', NORM),
]


@pytest.mark.parametrize(('algorithm', 'source'), CASES)
def test_loss_and_gradients_are_those_of_what_the_module_returned(
    algorithm, source
):
    model = build(algorithm, source)
    student = build_plain(model.student.state_dict())
    teacher = frozen_teacher(model.teacher.state_dict())
    data = model.data_preprocessor(tiny_models.detection_batch(), True)

    losses = model(**data, mode='loss')
    model.parse_losses(losses)[0].backward()

    outputs = returned(student, source), returned(teacher, source)
    expected = student(**data, mode='loss')
    with torch.no_grad():
        teacher(**data, mode='loss')
    # Of the heads' calls, a recorder gives the first.
    student_output, teacher_output = (calls[0] for calls in outputs)
    distill = (student_output - teacher_output).abs().mean()
    (student.parse_losses(expected)[0] + distill).backward()

    assert student_output.min() < 0
    for of, output in (
        ('student', student_output),
        ('teacher', teacher_output),
    ):
        assert torch.equal(record(model, of), output)
    assert distill > 0
    assert torch.equal(losses['distill.loss'], distill)
    for name, parameter in model.student.named_parameters():
        torch.testing.assert_close(
            parameter.grad,
            student.get_parameter(name).grad,
            rtol=1e-5,
            atol=1e-6,
            msg=lambda text, name=name: f'{name}: {text}',
        )


@pytest.mark.parametrize(('algorithm', 'source'), CASES)
def test_records_were_overwritten_without_it(unpatched, algorithm, source):
    model = build(algorithm, source)
    outputs = returned(model.student, source)
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    model(**data, mode='loss')
    found = record(model, 'student')
    assert not torch.equal(found, outputs[0])
    assert torch.equal(found, outputs[0].relu())
