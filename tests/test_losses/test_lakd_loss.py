"""LAKDLoss: weights, projections, grids and errors."""

import copy

import pytest
import torch
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.functional.lakd import (
    attention_loss,
    feature_loss,
    spatial_weights,
)
from cankd_mm.losses import LAKDLoss


def _maps(*shapes, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(shape, dtype=torch.float64, generator=generator)
        for shape in shapes
    )


def test_is_registered_in_mmrazor():
    loss = MODELS.build(
        dict(type='mmrazor.LAKDLoss', student_channels=4, teacher_channels=[4])
    )
    assert isinstance(loss, LAKDLoss)


@pytest.mark.parametrize('mode', ['match', 'weight'])
def test_identical_teacher_and_student_give_zero(mode):
    (x,) = _maps((2, 4, 8, 8))
    loss = LAKDLoss(4, 4, mode=mode)
    assert loss(x, x) == 0
    assert loss((x,), (x,)) == 0


def test_is_the_weighted_sum_of_features_and_mean_of_attention():
    s1, s2 = _maps((2, 4, 8, 8), (2, 6, 4, 4))
    t1, t2 = _maps((2, 4, 8, 8), (2, 6, 8, 8), seed=1)
    loss = LAKDLoss(
        [4, 6],
        [4, 6],
        feature_weight=0.3,
        attention_weight=0.7,
        avg_weight=0.2,
        max_weight=0.9,
        loss_weight=2.0,
    )
    features = feature_loss(s1, t1) + feature_loss(s2, t2)
    attention = attention_loss(s1, t1, 0.2, 0.9) + attention_loss(
        s2, t2, 0.2, 0.9
    )
    torch.testing.assert_close(
        loss((s1, s2), (t1, t2)),
        2.0 * (0.3 * features + 0.7 * attention / 2),
        rtol=0,
        atol=1e-10,
    )


def test_losses_of_single_modules_add_up_to_that_of_all():
    students = _maps((2, 4, 8, 8), (2, 6, 4, 4))
    teachers = _maps((2, 4, 8, 8), (2, 6, 4, 4), seed=1)
    together = LAKDLoss([4, 6], [4, 6], attention_weight=1.0)
    apart = sum(
        LAKDLoss(c, c, attention_weight=1.0 / 2)(s, t)
        for c, s, t in zip((4, 6), students, teachers, strict=True)
    )
    torch.testing.assert_close(
        together(students, teachers), apart, rtol=0, atol=1e-10
    )


def test_defaults_are_alpha_one_half_and_beta_one_divided_by_alpha():
    loss = LAKDLoss(4, 4)
    alpha, beta = 0.5, 1.0
    assert loss.attention_weight == (1 - alpha) / alpha
    assert loss.feature_weight == beta / alpha


def test_mode_weight_reads_attention_as_a_weighted_feature_loss():
    (s,), (t,) = _maps((2, 4, 8, 8)), _maps((2, 4, 8, 8), seed=1)
    loss = LAKDLoss(
        4, 4, feature_weight=0.0, attention_weight=1.0, mode='weight'
    )
    torch.testing.assert_close(
        loss(s, t), feature_loss(s, t, spatial_weights(t, (8, 8)))
    )


def test_only_unequal_channels_are_projected():
    loss = LAKDLoss([4, 6, 8], [4, 12, 8])
    shapes = {n: tuple(p.shape) for n, p in loss.named_parameters()}
    assert shapes == {
        'projections.1.weight': (12, 6, 1, 1),
        'projections.1.bias': (12,),
    }


def test_projection_serves_the_features_and_not_the_attention():
    (s,), (t,) = _maps((2, 4, 8, 8)), _maps((2, 6, 8, 8), seed=1)
    loss = LAKDLoss(4, 6, feature_weight=0.0).double()
    torch.testing.assert_close(loss(s, t), attention_loss(s, t))
    loss = LAKDLoss(4, 6, feature_weight=1.0, attention_weight=0.0).double()
    torch.testing.assert_close(
        loss(s, t), feature_loss(loss.projections[0](s), t)
    )


@pytest.mark.parametrize('mode', ['match', 'weight'])
@pytest.mark.parametrize('shape', [(2, 4, 8, 8), (2, 6, 8, 8), (2, 4, 6, 6)])
def test_teacher_gets_no_gradient(shape, mode):
    s, t = (x.requires_grad_() for x in _maps((2, 4, 8, 8), shape))
    LAKDLoss(4, shape[1], mode=mode).double()(s, t).backward()
    assert s.grad.abs().sum() > 0
    assert t.grad is None


@pytest.mark.parametrize('mode', ['match', 'weight'])
def test_gradient_is_that_of_finite_differences(mode):
    (s,), (t,) = _maps((1, 2, 4, 4)), _maps((1, 3, 6, 6), seed=1)
    loss = LAKDLoss(2, 3, mode=mode).double()
    assert torch.autograd.gradcheck(
        lambda x: loss(x, t), s.requires_grad_(), atol=1e-6
    )


def test_autocast_does_not_lower_the_precision():
    s, t = (x.float() for x in _maps((2, 64, 16, 16), (2, 64, 16, 16)))
    loss = LAKDLoss(64, 64)
    exact = loss(s, t)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(loss(s, t), exact)
        assert loss(s.bfloat16(), t.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize('mode', ['match', 'weight'])
def test_autocast_does_not_lower_the_precision_of_a_projection(mode):
    s, t = (x.float() for x in _maps((2, 16, 8, 8), (2, 24, 8, 8)))
    s.requires_grad_()
    loss = LAKDLoss(16, 24, mode=mode)
    inputs = [s, *loss.parameters()]
    exact = loss(s, t)
    expected = torch.autograd.grad(exact, inputs)
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(s, t)
    assert torch.equal(value, exact)
    for found, gradient in zip(
        torch.autograd.grad(value, inputs), expected, strict=True
    ):
        assert torch.equal(found, gradient)


@pytest.mark.parametrize('scale', [1e-3, 1e3])
@pytest.mark.parametrize('shape', [(2, 4, 8, 8), (2, 4, 6, 6), (2, 6, 8, 8)])
def test_attention_does_not_depend_on_the_size_of_the_activations(
    shape, scale
):
    s, t = _maps((2, 4, 8, 8), shape)
    loss = LAKDLoss(4, shape[1], feature_weight=0.0).double()
    torch.testing.assert_close(
        loss(scale * s, scale * t), loss(s, t), rtol=1e-10, atol=0
    )
    torch.testing.assert_close(
        spatial_weights(scale * t, (4, 4)),
        spatial_weights(t, (4, 4)),
        rtol=1e-10,
        atol=0,
    )


def test_half_precision_sums_of_many_channels_do_not_overflow():
    s = torch.full((1, 2048, 8, 8), 60.0, dtype=torch.float16)
    s.requires_grad_()
    loss = LAKDLoss(2048, 2048)(s, s + 1)
    loss.backward()
    assert loss.isfinite()
    assert s.grad.isfinite().all()
    assert s.grad.abs().max() > 0


@pytest.mark.parametrize('mode', ['match', 'weight'])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_features_give_the_loss_of_their_values(mode, dtype):
    s, t = (x.to(dtype) for x in _maps((2, 4, 8, 8), (2, 4, 6, 8)))
    exact = s.float().requires_grad_()
    s.requires_grad_()
    loss = LAKDLoss(4, 4, mode=mode)
    values = loss(s, t), loss(exact, t.float())
    torch.testing.assert_close(*values)
    sum(values).backward()
    torch.testing.assert_close(s.grad, exact.grad.to(dtype))


def test_longer_tuples_are_used_from_their_start():
    levels = _maps((2, 4, 8, 8), (2, 4, 4, 4))
    loss = LAKDLoss(4, 4)
    assert torch.equal(loss(levels, levels[::-1]), loss(levels[0], levels[1]))


def test_can_be_copied_after_a_step():
    loss = LAKDLoss(4, 6)
    s, t = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 8, 8)
    loss(s, t).backward()
    assert torch.equal(copy.deepcopy(loss)(s, t), loss(s, t))


def test_a_step_trains_the_projection():
    loss = LAKDLoss(4, 6)
    loss(torch.randn(2, 4, 8, 8), torch.randn(2, 6, 8, 8)).backward()
    assert isinstance(loss.projections[0], nn.Conv2d)
    assert all(p.grad.abs().sum() > 0 for p in loss.parameters())


# ----------------------------------------------------------------- errors


@pytest.mark.parametrize(
    'arguments, error, named',
    [
        (dict(student_channels=0), ValueError, 'student_channels'),
        (dict(student_channels=[]), ValueError, 'student_channels'),
        (dict(teacher_channels='4'), TypeError, 'teacher_channels'),
        (dict(teacher_channels=[4, 4]), ValueError, 'as many'),
        (dict(feature_weight=-1), ValueError, 'feature_weight'),
        (dict(attention_weight=None), TypeError, 'attention_weight'),
        (dict(avg_weight=0, max_weight=0), ValueError, 'both 0'),
        (dict(mode='both'), ValueError, "'match', 'weight'"),
        (dict(loss_weight=float('nan')), ValueError, 'loss_weight'),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else '',
)
def test_bad_arguments_are_named(arguments, error, named):
    with pytest.raises(error, match=named):
        LAKDLoss(**{'student_channels': 4, 'teacher_channels': 4, **arguments})


@pytest.mark.parametrize(
    'student, teacher',
    [
        ((2, 5, 8, 8), (2, 6, 8, 8)),
        ((2, 4, 8, 8), (2, 5, 8, 8)),
        ((2, 4, 8, 8), (1, 6, 8, 8)),
        ((2, 64, 4), (2, 6, 8, 8)),
    ],
)
def test_maps_that_do_not_fit_are_an_error_that_names_both_shapes(
    student, teacher
):
    with pytest.raises(ValueError) as error:
        LAKDLoss(4, 6)(torch.zeros(student), torch.zeros(teacher))
    assert str(student) in str(error.value)
    assert str(teacher) in str(error.value)


def test_too_few_maps_are_an_error():
    x = torch.zeros(1, 4, 8, 8)
    with pytest.raises(ValueError, match='s_feature'):
        LAKDLoss([4, 4], [4, 4])(x, (x, x))
