"""Functions that average over a map name an empty one."""

import pytest
import torch

from cankd_mm.functional import (
    activation_map,
    anchor_points,
    dense_logits,
    instance_norm_mse,
    non_local_dot_product,
    patch_groups,
)

FUNCTIONS = {
    'activation_map': lambda x: activation_map(x, (2, 2)),
    'anchor_points': lambda x: anchor_points(x, (2, 2)),
    'dense_logits': lambda x: dense_logits(x, x.new_zeros(3, x.size(1))),
    'instance_norm_mse': lambda x: instance_norm_mse(x, x),
    'non_local_dot_product': lambda x: non_local_dot_product(
        *[x.flatten(2)] * 3
    ),
    'patch_groups': lambda x: patch_groups(x, (2, 2)),
}


@pytest.mark.parametrize('name', FUNCTIONS)
@pytest.mark.parametrize('size', [(0, 2, 4, 4), (2, 0, 4, 4), (2, 2, 0, 4)])
def test_an_empty_map_is_a_value_error(name, size):
    with pytest.raises(ValueError, match='empty|more than one position'):
        FUNCTIONS[name](torch.zeros(size))
