import pytest
import torch
from mmcv.ops import MaskedConv2d, masked_conv2d

from . import reference

# Kernel and padding: as guided anchoring has it, and the odd ones.
GEOMETRIES = {
    'one pixel': ((1, 1), (0, 0)),
    'same': ((3, 3), (1, 1)),
    'uneven': ((3, 1), (1, 0)),
    'wide': ((5, 5), (2, 2)),
}


def problem(kernel):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    mask = (draw(1, 6, 7) > 0).double()
    return draw(1, 4, 6, 7), mask, draw(5, 4, *kernel), draw(5)


@pytest.mark.parametrize(
    'kernel, padding', GEOMETRIES.values(), ids=GEOMETRIES
)
def test_equals_the_convolution_where_the_mask_is_set(kernel, padding, device):
    x, mask, weight, bias = problem(kernel)
    with torch.no_grad():
        result = masked_conv2d(
            *(t.to(device) for t in (x, mask, weight, bias)), padding, 1
        )
    expected = reference.masked_conv(x[0], mask[0], weight, bias, padding)
    torch.testing.assert_close(
        result[0].cpu(), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize('set_at', [[], [(0, 0)], [(5, 6), (0, 6)]])
def test_few_positions(set_at):
    x, mask, weight, bias = problem((3, 3))
    mask.zero_()
    for row, column in set_at:
        mask[0, row, column] = 0.1
    with torch.no_grad():
        result = masked_conv2d(x, mask, weight, bias, 1, 1)
    expected = reference.masked_conv(x[0], mask[0], weight, bias, (1, 1))
    torch.testing.assert_close(
        result[0], torch.tensor(expected, dtype=torch.float64)
    )


def test_layer_is_a_convolution_in_training_and_masked_in_evaluation():
    conv = MaskedConv2d(4, 5, 3, padding=1).double()
    x, mask, _, _ = problem((3, 3))
    whole = conv(x)
    conv.eval()
    with torch.no_grad():
        masked = conv(x, mask)
    expected = torch.where(mask > 0, whole.detach(), 0)
    torch.testing.assert_close(masked, expected)


def test_features_of_any_strides():
    x, mask, weight, bias = problem((3, 3))
    strided = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    with torch.no_grad():
        results = [
            masked_conv2d(features, mask, weight, bias, 1, 1)
            for features in (x, strided)
        ]
    torch.testing.assert_close(*results)


def test_half_precision():
    tensors = problem((3, 3))
    exact, half = (
        [t.bfloat16().to(dtype) for t in tensors]
        for dtype in (torch.float64, torch.bfloat16)
    )
    with torch.no_grad():
        expected = masked_conv2d(*exact, 1, 1)
        result = masked_conv2d(*half, 1, 1)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), expected, rtol=0.02, atol=0.05)
