"""PatchClassifierConnector: one linear classifier for all patches."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.connectors import PatchClassifierConnector


def test_is_a_connector_of_mmrazor():
    connector = MODELS.build(
        dict(type='mmrazor.PatchClassifierConnector', num_classes=5)
    )
    assert isinstance(connector, PatchClassifierConnector)
    assert isinstance(connector, BaseConnector)


def test_classifies_each_patch_on_its_own():
    torch.manual_seed(0)
    connector = PatchClassifierConnector(5, in_channels=3)
    nn.init.normal_(connector.bias)
    feature = torch.randn(2, 3, 4, 7)
    weight = connector.conv.weight[:, :, 0, 0]
    expected = F.linear(feature.movedim(1, -1), weight, connector.bias)
    torch.testing.assert_close(connector(feature), expected.movedim(-1, 1))


def test_missing_in_channels_are_found_at_the_first_forward():
    connector = PatchClassifierConnector(5)
    copy.deepcopy(connector)
    with torch.no_grad():
        connector(torch.zeros(1, 3, 4, 4))
    assert connector.conv.weight.shape == (5, 3, 1, 1)
    assert all(p.requires_grad for p in connector.parameters())
    with pytest.raises(ValueError, match='is 3, but .* set it to 4'):
        connector(torch.zeros(1, 4, 4, 4))


@pytest.mark.parametrize('in_channels', [None, 3])
def test_every_class_starts_with_the_prior_probability(in_channels):
    connector = PatchClassifierConnector(5, in_channels, 0.01)
    connector(torch.zeros(1, 3, 4, 4))  # finds its channels
    connector.init_weights()
    logits = connector(torch.zeros(1, 3, 4, 4))
    torch.testing.assert_close(
        logits.sigmoid(), torch.full((1, 5, 4, 4), 0.01)
    )
    assert PatchClassifierConnector(5, 3).bias.count_nonzero() == 0


def test_tokens_get_a_gradient_from_the_first_step():
    connector = PatchClassifierConnector(5, 3)
    connector.init_weights()
    feature = torch.randn(1, 3, 4, 4, requires_grad=True)
    connector(feature)[:, 0].sum().backward()
    assert feature.grad.abs().max() > 0


def test_other_features_are_named():
    connector = PatchClassifierConnector(5, 3)
    with pytest.raises(ValueError, match='TokenMapConnector'):
        connector(torch.zeros(2, 16, 3))
    with pytest.raises(TypeError, match='tuple.*data_idx'):
        connector((torch.zeros(2, 3, 4, 4),))


@pytest.mark.parametrize(
    'name, value, error',
    [
        ('num_classes', 0, ValueError),
        ('num_classes', 2.0, TypeError),
        ('in_channels', 0, ValueError),
        ('prior_probability', 0, ValueError),
        ('prior_probability', 1, ValueError),
    ],
)
def test_wrong_arguments_are_named(name, value, error):
    with pytest.raises(error, match=f'`{name}`'):
        PatchClassifierConnector(**{'num_classes': 5, name: value})
