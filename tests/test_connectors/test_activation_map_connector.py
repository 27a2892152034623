"""ActivationMapConnector: where a feature is active, for any loss."""

import pytest
import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS

from cankd_mm.connectors import ActivationMapConnector
from cankd_mm.functional import activation_map


def test_is_a_connector_of_mmrazor():
    connector = MODELS.build(dict(type='mmrazor.ActivationMapConnector'))
    assert isinstance(connector, ActivationMapConnector)
    assert isinstance(connector, BaseConnector)


@pytest.mark.parametrize(
    'grid, cells', [(None, (4, 6)), (3, (3, 3)), ([2, 5], (2, 5))]
)
def test_is_the_activation_map_on_its_grid(grid, cells):
    feature = torch.randn(2, 3, 8, 12)
    connector = ActivationMapConnector(grid, avg_weight=0.3, max_weight=0.8)
    expected = activation_map(feature, cells, 0.3, 0.8)
    assert torch.equal(connector(feature), expected)


def test_map_of_one_channel_on_request():
    feature = torch.randn(2, 3, 8, 12)
    flat = ActivationMapConnector()(feature)
    square = ActivationMapConnector(flatten=False)(feature)
    assert square.shape == (2, 1, 4, 6)
    assert torch.equal(square.flatten(1), flat)


@pytest.mark.parametrize(
    'loss, flatten',
    [('L2Loss', True), ('L1Loss', True), ('ATLoss', False)],
)
def test_losses_of_mmrazor_compare_unequal_channels(loss, flatten):
    connector = ActivationMapConnector(4, flatten=flatten)
    student = torch.rand(2, 3, 8, 8, requires_grad=True)
    teacher = torch.rand(2, 7, 16, 16)
    criterion = MODELS.build(dict(type=f'mmrazor.{loss}', loss_weight=1.0))
    value = criterion(connector(student), connector(teacher))
    value.backward()
    assert value > 0 and student.grad.abs().sum() > 0


def test_tuple_gives_a_tuple():
    levels = [torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4)]
    maps = ActivationMapConnector()(levels)
    assert isinstance(maps, tuple)
    assert [tuple(m.shape) for m in maps] == [(1, 16), (1, 4)]


def test_computes_in_float32_under_autocast():
    feature = torch.rand(1, 512, 8, 8)
    connector = ActivationMapConnector()
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(connector(feature), connector.eval()(feature))
        assert connector(feature.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    'arguments, error',
    [
        (dict(grid=0), ValueError),
        (dict(grid=(2, 2, 2)), ValueError),
        (dict(grid=2.5), TypeError),
        (dict(avg_weight=-1), ValueError),
        (dict(avg_weight=0, max_weight=0), ValueError),
        (dict(flatten='yes'), TypeError),
    ],
)
def test_bad_arguments_are_named(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        ActivationMapConnector(**arguments)


def test_features_that_are_no_maps_are_errors():
    with pytest.raises(TypeError, match='feature'):
        ActivationMapConnector()('no feature')
    with pytest.raises(ValueError, match=r'\(1, 2, 3\)'):
        ActivationMapConnector(2)(torch.zeros(1, 2, 3))
