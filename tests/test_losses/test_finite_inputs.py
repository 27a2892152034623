"""No finite number comes out of features that are not finite, or empty."""

import threading

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from cankd_mm.losses import CanKDLoss, CSKDLoss, LAKDLoss, TaTLoss
from cankd_mm.losses.finite_inputs import (
    check_loss,
    check_values,
    values_are_checked,
    values_unchecked,
)

LOSSES = {
    'CanKD': lambda **kwargs: CanKDLoss(4, **kwargs),
    'TaT': lambda **kwargs: TaTLoss(4, 4, **kwargs),
    'LAKD': lambda **kwargs: LAKDLoss(4, 4, **kwargs),
    'CSKD': lambda **kwargs: CSKDLoss(4, **kwargs),
}
every_loss = pytest.mark.parametrize('name', LOSSES)
every_value = pytest.mark.parametrize(
    'value, kind',
    [
        (float('nan'), '1 NaN and 0 infinite'),
        (float('inf'), '0 NaN and 1 infinite'),
        (float('-inf'), '0 NaN and 1 infinite'),
    ],
)


def maps(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    s, t = torch.randn(2, *(shape or (2, 4, 9, 9)), generator=generator)
    return s.requires_grad_(), t


def spoiled(x: Tensor, value: float) -> Tensor:
    x = x.detach().clone()
    x[0, 2, -1, -1] = value
    return x


# ------------------------------------------------------------ checked: raises


@every_loss
@every_value
@pytest.mark.parametrize('place', ['s_feature', 't_feature'])
def test_what_is_not_finite_is_named(name, value, kind, place):
    features = dict(zip(('s_feature', 't_feature'), maps(), strict=True))
    features[place] = spoiled(features[place], value)
    with pytest.raises(ValueError, match=kind) as error:
        LOSSES[name]()(**features)
    assert f'level 0 of `{place}`, of shape (2, 4, 9, 9)' in str(error.value)


def test_the_level_is_named():
    s, t = maps()
    with pytest.raises(ValueError, match='level 1 of `t_feature`'):
        CanKDLoss(4, num_levels=2)((s, s), (t, spoiled(t, float('nan'))))


def test_levels_that_are_not_used_may_be_anything():
    s, t = maps()
    assert CanKDLoss(4)((s, s), (t, spoiled(t, float('nan')))).isfinite()


def test_a_classifier_is_a_feature_too():
    s, t = maps()
    weight = torch.ones(4, 4)
    weight[1, 1] = float('nan')
    with pytest.raises(ValueError, match='`s_weight`.* 1 NaN'):
        CSKDLoss(4)(s, t, s_weight=weight)


# What an overflow would silently make of such features: every map of norm 0
# (CanKD, and the attention of LAKD), or gradients that are not finite (TaT).
@pytest.mark.parametrize(
    'name, value, most',
    [
        ('CanKD', 1e7, '100000'),
        ('CanKD', 1e30, '100000'),
        ('LAKD', 1e21, '1e+10'),
        ('TaT', 1e12, '1e+08'),
        ('CSKD', 1e32, '1e+30'),
    ],
)
def test_values_that_overflow_are_named(name, value, most):
    s, t = maps()
    with pytest.raises(ValueError, match='`t_feature`') as error:
        LOSSES[name]()(s, spoiled(t, value))
    assert f'values of up to {value:g}; expected at most {most}' in str(
        error.value
    )


@every_loss
def test_the_largest_values_of_float16_are_fine(name):
    s, t = maps()
    s, t = (x.detach().sign().mul(65504).half() for x in (s, t))
    loss = LOSSES[name]()
    s.requires_grad_()
    value = loss(s, t)
    value.backward()
    assert value.isfinite()
    assert s.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in loss.parameters())


@pytest.mark.parametrize(
    'name, factor, weights',
    [
        ('TaT', 1e7, dict(patch_weight=1e3)),
        ('LAKD', 1e9, {}),
        ('CSKD', 1e29, {}),
    ],
)
def test_a_loss_that_overflows_is_an_error(name, factor, weights):
    s, t = maps()
    loss = LOSSES[name](loss_weight=1e10, **weights)
    if name == 'CSKD':
        s = s * factor
    with pytest.raises(ValueError, match='Lower `loss_weight`'):
        loss(s, t * factor)


def test_parameters_that_are_not_finite_are_an_error():
    loss = TaTLoss(4, 4)
    nn.init.constant_(loss.levels[0].value.conv.weight, float('nan'))
    with pytest.raises(ValueError, match='is nan; expected'):
        loss(*maps())


def test_similarities_without_digits_are_an_error():
    # The backward pass of fused attention makes NaN of these.
    s, t = maps()
    loss = TaTLoss(4, 4, embed_norm=None, scale=1e6)
    with pytest.raises(ValueError, match='similarities of up to'):
        loss(100 + s, 100 + t)


# --------------------------------------------------------- unchecked: arrives


@every_loss
@every_value
@pytest.mark.parametrize('side', [0, 1])
def test_unchecked_values_arrive_in_the_loss(name, value, kind, side):
    features = list(maps())
    features[side] = spoiled(features[side], value)
    with values_unchecked():
        assert not LOSSES[name]()(*features).isfinite()


# Comparisons and pooling lose what is not finite: the hard form's classes,
# maxima over anchors and levels, ignored pixels.
@every_value
@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('hard', [True, False])
@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('global_term', ['fused', 'decoupled'])
@pytest.mark.parametrize('ignored', [False, True])
def test_every_form_of_cskd_carries_what_is_not_finite(
    value, kind, side, hard, activation, global_term, ignored
):
    loss = CSKDLoss(
        4, hard=hard, activation=activation, global_term=global_term
    )
    features = list(maps(2, 4, 8, 8))
    features[side] = spoiled(features[side], value)
    labels = torch.zeros(2, 8, 8, dtype=torch.long)
    labels[:, 4:] = 255 if ignored else 0
    with values_unchecked():
        assert not loss(*features, labels=labels).isfinite()


@every_value
@pytest.mark.parametrize('side', [0, 1])
def test_rows_beyond_the_last_patch_of_tat_count(value, kind, side):
    loss = TaTLoss(4, 4, embed_norm=None, embed_key=False)
    features = list(maps())  # 9 rows, of which patches of 8 leave one out
    features[side] = spoiled(features[side], value)
    with values_unchecked():
        assert not loss(*features).isfinite()


@every_loss
def test_the_check_changes_no_bit(name):
    results = []
    for context in (values_unchecked(), torch.enable_grad()):
        torch.manual_seed(0)
        (s, t), loss = maps(), LOSSES[name]()
        with context:
            value = loss(s, t)
        value.backward()
        results.append((value, s.grad, *(p.grad for p in loss.parameters())))
    for unchecked, checked in zip(*results, strict=True):
        assert torch.equal(unchecked, checked)


def test_unchecked_ends_with_its_block():
    nan = torch.tensor([float('nan')])
    with pytest.raises(KeyError), values_unchecked():
        with values_unchecked():
            check_values('`x`', nan, 1.0)
        check_values('`x`', nan, 1.0)
        raise KeyError
    with pytest.raises(ValueError, match='`x`'):
        check_values('`x`', nan, 1.0)


def test_unchecked_is_of_one_thread():
    found = []

    def check():
        try:
            check_loss(torch.tensor(float('nan')))
        except ValueError as error:
            found.append(error)

    with values_unchecked():
        thread = threading.Thread(target=check)
        thread.start()
        thread.join()
    assert len(found) == 1


@pytest.mark.parametrize(
    'name',
    [
        'LAKD',
        'CSKD',
        pytest.param('CanKD', marks=pytest.mark.slow),
        pytest.param('TaT', marks=pytest.mark.slow),
    ],
)
def test_compiled_losses_read_no_value(name):
    s, t = maps()
    loss = torch.compile(LOSSES[name](), backend='eager')
    assert not loss(s, spoiled(t, float('nan'))).isfinite()


# -------------------------------------------------------- shapes, types, kind


@every_loss
@pytest.mark.parametrize(
    'shape', [(0, 4, 8, 8), (2, 4, 0, 8), (2, 4, 8, 0), (0, 4, 0, 0)]
)
def test_empty_features_are_named(name, shape):
    with pytest.raises(ValueError, match='empty') as error:
        LOSSES[name]()(torch.zeros(shape), torch.zeros(shape))
    assert str(shape) in str(error.value)


@every_loss
@pytest.mark.parametrize(
    'dtype', [torch.int64, torch.bool, torch.complex64, torch.uint8]
)
@pytest.mark.parametrize('side', [0, 1])
def test_other_types_than_floating_point_are_named(name, dtype, side):
    features = list(maps())
    features[side] = features[side].detach().to(dtype)
    with pytest.raises(ValueError, match=str(dtype)) as error:
        LOSSES[name]()(*features)
    assert f'`{"st"[side]}_feature`' in str(error.value)


@every_loss
def test_layouts_that_are_not_dense_are_named(name):
    s, t = maps()
    with pytest.raises(ValueError, match='`t_feature` is no dense tensor'):
        LOSSES[name]()(s, t.to_sparse())


@every_loss
def test_devices_that_differ_are_named(name):
    s, t = maps()
    with pytest.raises(ValueError, match='`t_feature` on meta'):
        LOSSES[name]()(s, t.to('meta'))


@pytest.mark.parametrize('name', ['CanKD', 'TaT'])
def test_parameters_on_another_device_are_named(name):
    with pytest.raises(ValueError, match='`parameters` on meta'):
        LOSSES[name]().to('meta')(*maps())


@every_loss
@pytest.mark.parametrize('feature', [None, 1.0, 'x', {}, [None]])
def test_what_is_no_feature_is_a_type_error(name, feature):
    with pytest.raises(TypeError, match='`t_feature'):
        LOSSES[name]()(maps()[0], feature)


@every_loss
def test_no_levels_are_an_error(name):
    with pytest.raises(ValueError, match='level'):
        LOSSES[name]()((), ())
    with pytest.raises(ValueError, match='`s_feature` has no levels'):
        CSKDLoss(4, activation='sigmoid')((), ())


@pytest.mark.parametrize(
    'build',
    [
        lambda: CanKDLoss(4, num_levels=2),
        lambda: TaTLoss(4, 4, num_levels=2),
        lambda: LAKDLoss([4, 4], [4, 4]),
        lambda: CSKDLoss(4, activation='sigmoid'),
    ],
)
def test_levels_of_different_batches_are_named(build):
    levels = torch.zeros(2, 4, 8, 8), torch.zeros(3, 4, 8, 8)
    with pytest.raises(ValueError, match='same images') as error:
        build()(levels, levels)
    assert str((2, 4, 8, 8)) in str(error.value)
    assert str((3, 4, 8, 8)) in str(error.value)


@pytest.mark.parametrize(
    'others, named',
    [
        (dict(labels=torch.zeros(2, 0, 4)), '`labels`'),
        (dict(labels=torch.zeros(())), '`labels`'),
        (dict(labels=torch.zeros(2, 9)), '`labels`'),
        (dict(s_weight=torch.zeros(4)), '`s_weight`'),
        (dict(s_weight=torch.zeros(4, 4, dtype=torch.int8)), '`s_weight`'),
        (
            dict(t_weight=torch.ones(4, 4), t_bias=torch.ones(3)),
            '`t_bias` has shape',
        ),
        (dict(s_bias=torch.zeros(4)), '`s_bias`.* without `s_weight`'),
        (dict(s_weight=torch.ones(4, 4, device='meta')), '`s_weight` on meta'),
    ],
)
def test_further_inputs_of_cskd_are_checked(others, named):
    with pytest.raises(ValueError, match=named):
        CSKDLoss(4)(*maps(), **others)


@pytest.mark.parametrize('name', ['labels', 's_weight', 't_bias'])
def test_further_inputs_of_cskd_are_tensors(name):
    with pytest.raises(TypeError, match=f'`{name}`'):
        CSKDLoss(4)(*maps(), **{name: [1.0]})


@pytest.mark.parametrize(
    'build, named',
    [
        (lambda: CSKDLoss(4, temperature=1e300), '`temperature`'),
        (lambda: TaTLoss(4, 4, scale=1e30), '`scale`'),
        (lambda: LAKDLoss(4, 4, avg_weight=1e25), '`avg_weight`'),
        (lambda: CanKDLoss(4, loss_weight=10**400), '`loss_weight`'),
        (lambda: CanKDLoss(4, loss_weight=1e30), '`loss_weight`'),
    ],
)
def test_arguments_that_overflow_are_named(build, named):
    with pytest.raises(ValueError, match=named):
        build()


def test_an_ignored_label_is_an_integer():
    with pytest.raises(TypeError, match='`ignore_index`'):
        CSKDLoss(4, ignore_index='background')


def test_fake_tensors_have_no_values_to_look_at():
    with FakeTensorMode():
        x = torch.zeros(1, 2, 3, 3)
        assert not values_are_checked(x)
        loss = LAKDLoss([2], [2], 1.0, 1.0)(x, x)
    assert loss.shape == ()
