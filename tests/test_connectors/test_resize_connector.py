"""ResizeConnector: interpolation on request."""

import pytest
import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS

from cankd_mm.connectors import ResizeConnector


def test_is_a_connector_of_mmrazor():
    connector = MODELS.build(dict(type='mmrazor.ResizeConnector', size=4))
    assert isinstance(connector, ResizeConnector)
    assert isinstance(connector, BaseConnector)


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (dict(size=4), (4, 4)),
        (dict(size=[5, 3]), (5, 3)),
        (dict(scale_factor=2), (12, 16)),
        (dict(scale_factor=(0.5, 2.0)), (3, 16)),
    ],
)
def test_output_has_the_wanted_size(arguments, expected):
    output = ResizeConnector(**arguments)(torch.zeros(2, 3, 6, 8))
    assert output.shape == (2, 3, *expected)


def test_bilinear_keeps_a_ramp_between_its_ends():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    output = ResizeConnector(size=7, align_corners=True)(ramp)
    torch.testing.assert_close(
        output, torch.linspace(0, 3, 7).expand(1, 1, 7, 7)
    )


def test_area_averages():
    feature = torch.randn(1, 2, 6, 8)
    blocks = feature.unflatten(3, (4, 2)).unflatten(2, (3, 2))
    torch.testing.assert_close(
        ResizeConnector(scale_factor=0.5, mode='area')(feature),
        blocks.mean((3, 5)),
    )


def test_nearest_repeats():
    feature = torch.randn(1, 2, 3, 4)
    torch.testing.assert_close(
        ResizeConnector(scale_factor=2, mode='nearest')(feature),
        feature.repeat_interleave(2, 2).repeat_interleave(2, 3),
    )


def test_tuple_gives_a_tuple():
    levels = [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4)]
    output = ResizeConnector(scale_factor=2)(levels)
    assert isinstance(output, tuple)
    assert [tuple(level.shape[2:]) for level in output] == [(16, 16), (8, 8)]


def test_gradient_passes():
    feature = torch.randn(1, 2, 6, 8, requires_grad=True)
    ResizeConnector(scale_factor=0.5, mode='area')(feature).sum().backward()
    torch.testing.assert_close(feature.grad, torch.full_like(feature, 0.25))


def test_tokens_are_refused():
    with pytest.raises(ValueError, match=r'found \(1, 16, 3\)'):
        ResizeConnector(size=4)(torch.zeros(1, 16, 3))


@pytest.mark.parametrize(
    'feature, found', [((None,), 'NoneType'), ('maps', 'str'), (1.0, 'float')]
)
def test_what_is_no_tensor_is_refused(feature, found):
    with pytest.raises(TypeError, match=f'`feature.*{found}'):
        ResizeConnector(size=4)(feature)


@pytest.mark.parametrize(
    'arguments, name, error',
    [
        (dict(), 'exactly one of `size` and `scale_factor`', ValueError),
        (dict(size=4, scale_factor=2), 'exactly one', ValueError),
        (dict(size=0), '`size`', ValueError),
        (dict(size=4.0), '`size`', TypeError),
        (dict(size=(4, 4, 4)), '`size`', ValueError),
        (dict(size='4'), '`size`', TypeError),
        (dict(scale_factor=0), '`scale_factor`', ValueError),
        (dict(scale_factor='2'), '`scale_factor`', TypeError),
        (dict(size=4, mode='linear'), '`mode`', ValueError),
        (
            dict(size=4, mode='area', align_corners=True),
            '`align_corners`',
            ValueError,
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, name, error):
    with pytest.raises(error, match=name):
        ResizeConnector(**arguments)
