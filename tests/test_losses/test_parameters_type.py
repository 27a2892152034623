"""Losses with parameters compute in the parameters' type, or say why not."""

import pytest
import torch
from torch import Tensor, nn

from cankd_mm.losses import CanKDLoss, LAKDLoss, TaTLoss

# How to build it, the teacher's channels, and a tolerance: LAKD makes the
# teacher's activation map in float32.
LOSSES = {
    'CanKD': (lambda: CanKDLoss(4), 4, 1e-12),
    'TaT': (lambda: TaTLoss(4, 6), 6, 1e-12),
    'LAKD': (lambda: LAKDLoss(4, 6), 6, 1e-7),
}
every_loss = pytest.mark.parametrize('name', LOSSES)


def loss_and_maps(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    build, channels, _ = LOSSES[name]
    return build(), torch.randn(2, 4, 8, 8), torch.randn(2, channels, 8, 8)


@every_loss
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_a_loss_in_float64_takes_other_features(name, dtype):
    loss, s, t = loss_and_maps(name)
    loss.double()
    s, t = s.to(dtype).requires_grad_(), t.to(dtype)
    value = loss(s, t)
    value.backward()
    assert value.dtype == torch.float64
    assert s.grad.dtype == dtype
    torch.testing.assert_close(
        value, loss(s.double(), t.double()), rtol=LOSSES[name][2], atol=0
    )


@every_loss
@pytest.mark.parametrize(
    'own, given, needed',
    [
        (torch.float32, torch.float64, 'float64'),
        (torch.bfloat16, torch.float32, 'float32'),
        (torch.bfloat16, torch.bfloat16, 'float32'),
    ],
)
def test_types_that_do_not_fit_are_named(name, own, given, needed):
    loss, s, t = loss_and_maps(name)
    with pytest.raises(TypeError, match='parameters of the loss') as error:
        loss.to(own)(s.to(given), t.to(given))
    assert str(own) in str(error.value)
    assert str(given) in str(error.value)
    assert f'`loss.to(torch.{needed})`' in str(error.value)
