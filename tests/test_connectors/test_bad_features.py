"""Connectors name the features that they cannot bring to another shape."""

import pytest
import torch
from torch import Tensor, nn

from cankd_mm.connectors import (
    ActivationMapConnector,
    PatchClassifierConnector,
    ProjectionConnector,
    ResizeConnector,
    TokenMapConnector,
)
from cankd_mm.losses.finite_inputs import values_unchecked

CONNECTORS = {
    'ActivationMap': ActivationMapConnector,
    'PatchClassifier': lambda: PatchClassifierConnector(3, in_channels=4),
    'Projection': lambda: ProjectionConnector(3, in_channels=4),
    'Resize': lambda: ResizeConnector(size=3),
    'TokenMap': lambda: TokenMapConnector(num_extra_tokens=0),
}
every_connector = pytest.mark.parametrize('name', CONNECTORS)
of_maps = pytest.mark.parametrize('name', sorted(CONNECTORS)[:4])
with_parameters = pytest.mark.parametrize(
    'name', ['PatchClassifier', 'Projection']
)


def feature_of(name: str, batch: int = 2) -> Tensor:
    shape = (batch, 16, 4) if name == 'TokenMap' else (batch, 4, 4, 4)
    return torch.ones(shape)


def run(name: str, feature) -> Tensor:
    return CONNECTORS[name]().forward_train(feature)


@every_connector
def test_empty_features_are_named(name):
    feature = feature_of(name, batch=0)
    with pytest.raises(ValueError, match='empty') as error:
        run(name, feature)
    assert str(tuple(feature.shape)) in str(error.value)


@pytest.mark.parametrize('name', ['ActivationMap', 'Resize', 'TokenMap'])
def test_no_levels_are_an_error(name):
    with pytest.raises(ValueError, match='`feature` has no levels'):
        run(name, ())


@of_maps
@pytest.mark.parametrize('shape', [(2, 4, 0, 4), (2, 4, 4, 0)])
def test_maps_without_positions_are_named(name, shape):
    with pytest.raises(ValueError, match='empty'):
        run(name, torch.zeros(shape))


@every_connector
@pytest.mark.parametrize('shape', [(), (4,), (2, 4), (2, 4, 4, 4, 4)])
def test_other_ranks_are_named(name, shape):
    with pytest.raises(ValueError) as error:
        run(name, torch.ones(shape))
    assert str(shape) in str(error.value)


@every_connector
@pytest.mark.parametrize('dtype', [torch.int64, torch.bool, torch.complex64])
def test_other_types_than_floating_point_are_named(name, dtype):
    with pytest.raises(ValueError, match=str(dtype)):
        run(name, feature_of(name).to(dtype))


@every_connector
@pytest.mark.parametrize('feature', [None, 1.0, 'x', {}, [None]])
def test_what_is_no_feature_is_a_type_error(name, feature):
    with pytest.raises(TypeError, match='`feature'):
        run(name, feature)


@of_maps
@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e35])
def test_values_are_checked(name, value):
    feature = feature_of(name)
    feature[0, 0, 0, 0] = value
    with pytest.raises(ValueError, match='`feature'):
        run(name, feature)
    with values_unchecked():
        run(name, feature)


@with_parameters
def test_outputs_that_overflow_are_an_error(name):
    feature = torch.full((2, 4, 4, 4), 6e4, dtype=torch.float16)
    connector = CONNECTORS[name]().half()
    for parameter in connector.parameters():
        nn.init.constant_(parameter, 100)
    with pytest.raises(ValueError, match='the output of `.*Connector`'):
        connector.forward_train(feature)


@with_parameters
@pytest.mark.parametrize('dtype', [torch.float16, torch.float64])
def test_types_that_do_not_fit_are_named(name, dtype):
    with pytest.raises(ValueError, match='torch.float32') as error:
        run(name, feature_of(name).to(dtype))
    assert str(dtype) in str(error.value)


@with_parameters
def test_half_features_fit_under_autocast(name):
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = run(name, feature_of(name).half())
    assert output.isfinite().all()


@with_parameters
def test_devices_that_differ_are_named(name):
    with pytest.raises(ValueError, match='`feature` on meta'):
        run(name, feature_of(name).to('meta'))


@pytest.mark.parametrize(
    'norm_cfg',
    [
        {},
        dict(type='NoNorm'),
        dict(type='GN'),
        dict(type='GN', num_groups=2),
        dict(type='BN', groups=1),
        dict(type='LN'),
    ],
)
def test_norms_that_cannot_be_built_are_named(norm_cfg):
    with pytest.raises(ValueError, match='`norm_cfg`='):
        ProjectionConnector(3, in_channels=4, norm_cfg=norm_cfg)


def test_a_norm_cfg_is_a_dict():
    with pytest.raises(TypeError, match='`norm_cfg`'):
        ProjectionConnector(3, in_channels=4, norm_cfg='BN')


@pytest.mark.parametrize(
    'norm_cfg, shape',
    [
        (dict(type='BN'), (1, 4, 1, 1)),  # one value per channel
        (dict(type='BN1d'), (2, 4, 4, 4)),
    ],
)
def test_norms_that_do_not_take_a_map_are_named(norm_cfg, shape):
    connector = ProjectionConnector(3, in_channels=4, norm_cfg=norm_cfg)
    with pytest.raises(ValueError, match='the norm of `norm_cfg`'):
        connector.forward_train(torch.ones(shape))


@pytest.mark.parametrize('factor', [0.1, 1e9])
def test_sizes_that_are_not_possible_are_named(factor):
    connector = ResizeConnector(scale_factor=factor)
    with pytest.raises(ValueError, match='would be resized to') as error:
        connector.forward_train(torch.ones(2, 4, 4, 4))
    assert '(2, 4, 4, 4)' in str(error.value)


@pytest.mark.parametrize('aspect_ratio', [1e10, 5e-324])
def test_extreme_ratios_fit_no_grid(aspect_ratio):
    connector = TokenMapConnector(0, aspect_ratio=aspect_ratio)
    with pytest.raises(ValueError, match='16 patches'):
        connector.forward_train(torch.ones(2, 16, 4))


@pytest.mark.parametrize('probability', ['x', True, 1j])
def test_a_prior_probability_is_a_number(probability):
    with pytest.raises(TypeError, match='`prior_probability`'):
        PatchClassifierConnector(3, prior_probability=probability)
