"""A folded model has no batch norm left and the same features."""

import pytest
import torch
from mmcv.cnn.bricks import ConvAWS2d
from mmengine.registry import DefaultScope
from mmrazor.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cankd_mm.algorithms.batch_norm_folding import fold_batch_norms
from tests import tiny_models


def settled(model: nn.Module) -> nn.Module:
    """With statistics and weights as training leaves them, frozen."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, -1, 2)
                nn.init.uniform_(module.bias, -1, 1)
    return model.eval().requires_grad_(False)


def norms(model: nn.Module) -> list[str]:
    return [n for n, m in model.named_modules() if isinstance(m, _BatchNorm)]


def folded(model: nn.Module, recorded=()) -> tuple[int, float]:
    """How many were folded, and the largest change of the output."""
    x = torch.randn(2, 3, 8, 8)
    before, state = model(x), model.state_dict()
    count = fold_batch_norms(model, lambda: [model(x)], recorded)
    if not count:
        after = model.state_dict()
        assert after.keys() == state.keys()
        assert all(torch.equal(after[key], state[key]) for key in state)
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())
    return count, (model(x) - before).abs().max().item()


class Sums(nn.Module):
    """The convolution's output is read a second time, behind the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        x = self.conv(x)
        return self.norm(x) + x


class SharedConvolution(nn.Module):
    """One convolution, a norm for each of two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3)])

    def forward(self, x):
        first, second = (norm(self.conv(x)) for norm in self.norms)
        return first + second


class SharedPair(nn.Module):
    """One convolution and its norm, both called on two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, affine=False)
        self.conv = nn.Conv2d(3, 3, 1, groups=3, bias=False)

    def forward(self, x):
        return self.norm(self.conv(x)) + self.norm(self.conv(2 * x))


def chain(*modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(*modules)


@pytest.mark.parametrize(
    'model, count',
    [
        (chain(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), 1),
        (chain(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4)), 1),
        (SharedPair(), 1),
        (SharedConvolution(), 0),
        (Sums(), 0),
        (chain(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), 0),
        (chain(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), 0),
        (chain(ConvAWS2d(3, 4, 3), nn.BatchNorm2d(4)), 0),
        (
            chain(
                nn.Conv2d(3, 4, 3),
                nn.BatchNorm2d(4, track_running_stats=False),
            ),
            0,
        ),
        (
            chain(
                nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
                nn.BatchNorm2d(4),
            ),
            0,
        ),
    ],
)
def test_folds_what_can_be_folded_and_nothing_else(model, count):
    found, change = folded(settled(model))
    assert found == count
    assert bool(norms(model)) == (count == 0)
    assert change < 1e-5


@pytest.mark.parametrize('place', [0, 1])
def test_recorded_modules_are_not_folded(place):
    model = settled(chain(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    assert folded(model, {model[place]}) == (0, 0.0)


def test_one_that_cannot_be_folded_puts_all_back():
    first = chain(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))
    model = settled(chain(first, Sums()))
    assert folded(model) == (0, 0.0)


def teacher(**options) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(
        tiny_models.distillation(
            tiny_models.retinanet(), tiny_models.retinanet(16), **options
        )
    )
    return model


def saved_teacher(tmp_path):
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(tiny_models.retinanet(16))
    settled(model)
    torch.save(model.state_dict(), tmp_path / 'teacher.pth')
    return model, str(tmp_path / 'teacher.pth')


@pytest.mark.parametrize(
    'beside', [torch.tensor([True]), torch.tensor([3]), torch.empty(0, 4)]
)
def test_masks_indices_and_nothing_may_be_recorded_too(beside):
    model = settled(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    x = torch.randn(2, 3, 8, 8)
    assert fold_batch_norms(model, lambda: [model(x), beside.clone()]) == 1


@pytest.mark.parametrize('name', ['mask', 'shape', 'number'])
def test_other_records_behind_the_folding_put_all_back(name):
    model = settled(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    x = torch.randn(2, 3, 8, 8)
    seen = []

    def features():
        seen.append(model(x))
        last = len(seen) == 2
        return {
            'mask': [seen[0], torch.tensor([last])],
            'shape': [seen[0][int(last) :]],
            'number': [seen[0]] * len(seen),
        }[name]

    assert fold_batch_norms(model, features) == 0
    assert norms(model) == ['1']


def test_teacher_is_folded_up_to_its_last_record(tmp_path):
    plain, checkpoint = saved_teacher(tmp_path)
    model = teacher(teacher_ckpt=checkpoint)
    assert norms(plain.backbone) and not norms(model.teacher.backbone)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        found = model.teacher.extract_feat(images)
        expected = plain.extract_feat(images)
    for ours, theirs in zip(found, expected, strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(
    'options', [dict(fold_teacher_norms=False), dict(dry_run_size=None)]
)
def test_teacher_keeps_its_norms_when_told_to(tmp_path, options):
    plain, checkpoint = saved_teacher(tmp_path)
    model = teacher(teacher_ckpt=checkpoint, **options)
    assert norms(model.teacher) == norms(plain)


def test_a_recorded_parameter_stays_the_teachers_own(tmp_path):
    config = tiny_models.distillation(
        tiny_models.retinanet(), tiny_models.retinanet(16)
    )
    source = 'backbone.layer1.0.conv1.weight'
    config.distiller.teacher_recorders.weight = dict(
        type='Parameter', source=source
    )
    model = MODELS.build(config)
    recorder = model.distiller.teacher_recorders.get_recorder('weight')
    assert recorder.get_record_data() is model.teacher.get_parameter(source)
    assert norms(model.teacher.backbone) == ['layer1.0.bn1']


def test_half_precision_is_rounded_once(tmp_path):
    """The weights are folded before they lose digits."""
    _, checkpoint = saved_teacher(tmp_path)
    exact = teacher(teacher_ckpt=checkpoint)
    half = teacher(teacher_ckpt=checkpoint, teacher_dtype='bfloat16')
    for ours, theirs in zip(
        half.teacher.backbone.parameters(),
        exact.teacher.backbone.parameters(),
        strict=True,
    ):
        assert torch.equal(ours, theirs.bfloat16())


def test_flag_must_be_one():
    with pytest.raises(TypeError, match='fold_teacher_norms'):
        teacher(fold_teacher_norms='yes')
