"""TokenMapConnector: tokens laid out row by row."""

import pytest
import torch
from mmrazor.models.architectures.connectors.base_connector import (
    BaseConnector,
)
from mmrazor.registry import MODELS

from cankd_mm.connectors import TokenMapConnector


def test_is_a_connector_of_mmrazor():
    connector = MODELS.build(dict(type='mmrazor.TokenMapConnector'))
    assert isinstance(connector, TokenMapConnector)
    assert isinstance(connector, BaseConnector)


@pytest.mark.parametrize('extra', [0, 1, 2])
@pytest.mark.parametrize('grid', [(14, 14), (4, 8), (6, 4), (1, 1)])
def test_patch_of_row_and_column_is_found_there(extra, grid):
    height, width = grid
    tokens = torch.randn(2, extra + height * width, 3)
    connector = TokenMapConnector(extra, aspect_ratio=height / width)
    output = connector(tokens)
    assert output.shape == (2, 3, height, width)
    for row in range(height):
        for column in range(width):
            token = tokens[:, extra + row * width + column]
            assert torch.equal(output[:, :, row, column], token)


@pytest.mark.parametrize(
    'grid, ratio', [((50, 84), 0.6), ((84, 50), 1.67), ((37, 50), 0.75)]
)
def test_rounded_aspect_ratios_find_the_grid(grid, ratio):
    height, width = grid
    tokens = torch.randn(1, 1 + height * width, 2)
    output = TokenMapConnector(1, aspect_ratio=ratio)(tokens)
    assert output.shape == (1, 2, height, width)


@pytest.mark.parametrize('patches, ratio', [(56, 1.0), (60, 1.0), (0, 3.0)])
def test_grids_of_another_shape_are_not_taken(patches, ratio):
    connector = TokenMapConnector(0, aspect_ratio=ratio)
    with pytest.raises(ValueError, match=f'{patches} patches'):
        connector(torch.zeros(1, patches, 2))


def test_patches_of_a_vision_transformer_are_its_own_map():
    from mmseg.models import VisionTransformer

    torch.manual_seed(0)
    backbone = VisionTransformer(
        img_size=(32, 64),
        patch_size=8,
        embed_dims=12,
        num_layers=1,
        num_heads=2,
        final_norm=True,
        out_indices=-1,
    )
    backbone.eval()
    tokens = []
    backbone.ln1.register_forward_hook(
        lambda module, inputs, output: tokens.append(output)
    )
    (expected,) = backbone(torch.randn(2, 3, 32, 64))
    output = TokenMapConnector(1, aspect_ratio=0.5)(tokens[0])
    assert output.shape == (2, 12, 4, 8)
    torch.testing.assert_close(output, expected)


def test_tuple_gives_a_tuple():
    layers = (torch.zeros(2, 17, 3), torch.zeros(2, 5, 3))
    output = TokenMapConnector()(layers)
    assert [x.shape for x in output] == [(2, 3, 4, 4), (2, 3, 2, 2)]


@pytest.mark.parametrize('arguments', [dict(), dict(aspect_ratio=0.5)])
@pytest.mark.parametrize('tokens', [198, 1])
def test_tokens_that_fill_no_grid_are_named(arguments, tokens):
    # 198 tokens: a distilled DeiT has two extra ones.
    with pytest.raises(ValueError, match=f'{tokens - 1} patches') as error:
        TokenMapConnector(**arguments)(torch.zeros(2, tokens, 3))
    assert f'(2, {tokens}, 3)' in str(error.value)
    assert 'num_extra_tokens' in str(error.value)


def test_other_features_are_named():
    with pytest.raises(ValueError, match=r'\(2, 3, 4, 4\)'):
        TokenMapConnector()(torch.zeros(2, 3, 4, 4))
    with pytest.raises(TypeError, match='NoneType'):
        TokenMapConnector()(None)
    with pytest.raises(TypeError, match='`feature`.*str'):
        TokenMapConnector()('tokens')


@pytest.mark.parametrize(
    'name, value, error',
    [
        ('num_extra_tokens', -1, ValueError),
        ('num_extra_tokens', 1.0, TypeError),
        ('aspect_ratio', 0, ValueError),
        ('aspect_ratio', '1:2', TypeError),
    ],
)
def test_wrong_arguments_are_named(name, value, error):
    with pytest.raises(error, match=f'`{name}`'):
        TokenMapConnector(**{name: value})
