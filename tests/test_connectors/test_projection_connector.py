"""ProjectionConnector: one 1x1 convolution for each level."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.connectors import ProjectionConnector
from tests import tiny_models


def test_is_a_connector_of_mmrazor():
    connector = MODELS.build(
        dict(type='mmrazor.ProjectionConnector', in_channels=3, out_channels=5)
    )
    assert isinstance(connector, ProjectionConnector)
    assert isinstance(connector, BaseConnector)


def test_multiplies_each_position_by_one_matrix():
    torch.manual_seed(0)
    connector = ProjectionConnector(5, in_channels=3)
    feature = torch.randn(2, 3, 4, 7)
    conv = connector.convs[0]
    expected = F.linear(
        feature.movedim(1, -1), conv.weight[:, :, 0, 0], conv.bias
    ).movedim(-1, 1)
    torch.testing.assert_close(connector(feature), expected)


def test_tuple_gives_a_tuple_through_convolutions_of_their_own():
    connector = ProjectionConnector(5, in_channels=3, num_levels=2)
    levels = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 4, 4)
    output = connector(levels)
    assert isinstance(output, tuple)
    for level, conv, projected in zip(
        levels, connector.convs, output, strict=True
    ):
        torch.testing.assert_close(projected, conv(level))
    assert not torch.equal(
        connector.convs[0].weight, connector.convs[1].weight
    )


def test_longer_tuples_are_used_from_their_start():
    connector = ProjectionConnector(5, in_channels=3, num_levels=2)
    levels = [torch.randn(1, 3, 4, 4) for _ in range(4)]
    assert len(connector(levels)) == 2


def test_tuple_of_one_stays_a_tuple():
    output = ProjectionConnector(5, in_channels=3)([torch.zeros(1, 3, 4, 4)])
    assert isinstance(output, tuple)


def test_channels_may_differ_between_levels():
    connector = ProjectionConnector((5, 6), in_channels=[2, 3], num_levels=2)
    output = connector((torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 4, 4)))
    assert [level.size(1) for level in output] == [5, 6]


def test_missing_in_channels_are_found_at_the_first_forward():
    connector = ProjectionConnector(5, num_levels=2)
    copy.deepcopy(connector)
    levels = torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 4, 4)
    with torch.no_grad():
        connector(levels)
    assert [type(conv) for conv in connector.convs] == [nn.Conv2d] * 2
    assert [conv.in_channels for conv in connector.convs] == [2, 3]
    assert all(p.requires_grad for p in connector.parameters())
    with pytest.raises(ValueError, match='level 1 .* 4 channels'):
        connector((levels[0], torch.zeros(1, 4, 4, 4)))


def make_distillation(algorithm, **kwargs):
    recorder = dict(feature=dict(type='ModuleOutputs', source='backbone'))
    distiller = dict(
        type='ConfigurableDistiller',
        student_recorders=recorder,
        teacher_recorders=recorder,
        connectors=dict(
            projection=dict(
                type='ProjectionConnector',
                out_channels=[12, 24, 48, 96],
                num_levels=4,
            )
        ),
        distill_losses=dict(loss=dict(type='L2Loss')),
        loss_forward_mappings=dict(
            loss=dict(
                s_feature=dict(
                    from_student=True,
                    recorder='feature',
                    connector='projection',
                    connector_idx=3,
                ),
                t_feature=dict(
                    from_student=False, recorder='feature', data_idx=3
                ),
            )
        ),
    )
    return MODELS.build(
        dict(
            type=algorithm,
            architecture=tiny_models.fcn(8),
            teacher=tiny_models.fcn(12),
            distiller=distiller,
            **kwargs,
        )
    )


def test_channels_are_found_when_the_algorithm_is_built():
    model = make_distillation(
        'FrozenTeacherDistill', allow_random_teacher=True
    )
    connector = model.distiller.connectors['projection']
    assert [conv.in_channels for conv in connector.convs] == [8, 16, 32, 64]
    assert all(p.requires_grad for p in connector.parameters())


def test_unfound_channels_stop_an_algorithm_without_a_dry_forward():
    model = make_distillation('SingleTeacherDistill')
    with pytest.raises(RuntimeError, match='an uninitialized parameter'):
        model.init_weights()


def test_found_channels_survive_a_checkpoint():
    connector = ProjectionConnector(5)
    connector(torch.zeros(1, 3, 4, 4))
    fresh = ProjectionConnector(5)
    fresh.load_state_dict(connector.state_dict())
    feature = torch.randn(1, 3, 4, 4)
    torch.testing.assert_close(fresh(feature), connector(feature))


def test_norm_stands_in_for_the_bias():
    connector = ProjectionConnector(
        4, in_channels=3, norm_cfg=dict(type='GN', num_groups=2)
    )
    assert connector.convs[0].bias is None
    output = connector(torch.randn(2, 3, 6, 6))
    torch.testing.assert_close(
        output.unflatten(1, (2, 2)).mean((2, 3, 4)),
        torch.zeros(2, 2),
        atol=1e-6,
        rtol=0,
    )
    bare = ProjectionConnector(4, in_channels=3)
    assert bare.convs[0].bias is not None


def test_init_cfg_is_obeyed():
    init_cfg = dict(type='Constant', layer='Conv2d', val=2.0, bias=1.0)
    connector = ProjectionConnector(5, in_channels=3, init_cfg=init_cfg)
    connector.init_weights()
    assert (connector.convs[0].weight == 2).all()
    assert (connector.convs[0].bias == 1).all()


def test_wrong_channels_are_named():
    with pytest.raises(ValueError) as error:
        ProjectionConnector(5, in_channels=3)(torch.zeros(1, 4, 6, 6))
    for part in ('`in_channels`', 'is 3', '4 channels', '(1, 4, 6, 6)'):
        assert part in str(error.value)


def test_tokens_are_refused():
    with pytest.raises(ValueError, match=r'\(1, 16, 3\), expected \(B, C'):
        ProjectionConnector(5, in_channels=3)(torch.zeros(1, 16, 3))


def test_too_few_levels_are_named():
    connector = ProjectionConnector(5, in_channels=3, num_levels=2)
    with pytest.raises(ValueError, match='`feature` has 1 level'):
        connector(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(
    'name, value, error',
    [
        ('out_channels', 0, ValueError),
        ('out_channels', '8', TypeError),
        ('in_channels', -1, ValueError),
        ('in_channels', (3, 4), ValueError),
        ('num_levels', 0, ValueError),
    ],
)
def test_wrong_arguments_are_named(name, value, error):
    arguments = {'out_channels': 5, 'in_channels': 3, name: value}
    with pytest.raises(error, match=f'`{name}`'):
        ProjectionConnector(**arguments)
