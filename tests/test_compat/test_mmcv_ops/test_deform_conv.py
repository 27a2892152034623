import pytest
import torch
import torch.nn.functional as F
from mmcv.ops import (
    DeformConv2dPack,
    ModulatedDeformConv2dPack,
    deform_conv2d,
    modulated_deform_conv2d,
)

from cankd_mm.compat import mmcv_ops
from cankd_mm.compat.mmcv_ops import deform_conv

from . import reference

pytestmark = pytest.mark.usefixtures('backend')

# kernel, stride, padding, dilation, groups, offset groups
GEOMETRIES = {
    'plain': ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
    'strided': ((3, 3), (2, 2), (1, 1), (1, 1), 1, 1),
    'uneven': ((3, 2), (2, 1), (1, 0), (2, 1), 1, 1),
    'groups': ((3, 3), (1, 1), (1, 1), (1, 1), 2, 1),
    'offset groups': ((3, 3), (1, 1), (2, 2), (2, 2), 1, 2),
    'both': ((1, 3), (1, 2), (0, 1), (1, 1), 2, 4),
}


def problem(kernel, stride, padding, dilation, groups, offset_groups):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, weight, bias = draw(2, 4, 6, 7), draw(6, 4 // groups, *kernel), draw(6)
    height, width = F.conv2d(
        x, draw(6, 4, *kernel), None, stride, padding, dilation
    ).shape[2:]
    points = offset_groups * kernel[0] * kernel[1]
    # Far enough to leave the map now and then.
    offset = draw(2, points * 2, height, width) * 2
    mask = draw(2, points, height, width).sigmoid()
    return x, offset, mask, weight, bias


@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
def test_plain_equals_the_sum_over_sampled_points(geometry, device):
    x, offset, mask, weight, _ = problem(*geometry)
    result = deform_conv2d(
        *(tensor.to(device) for tensor in (x, offset, weight)), *geometry[1:]
    )
    ones = torch.ones_like(mask)
    expected = [
        reference.deform_conv(*image, weight, *geometry[1:])
        for image in zip(x, offset, ones, strict=True)
    ]
    torch.testing.assert_close(
        result.cpu(), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
def test_modulated_equals_the_weighted_sum(geometry, with_bias, device):
    x, offset, mask, weight, bias = problem(*geometry)
    result = modulated_deform_conv2d(
        *(tensor.to(device) for tensor in (x, offset, mask, weight)),
        bias.to(device) if with_bias else None,
        *geometry[1:],
    )
    expected = torch.tensor(
        [
            reference.deform_conv(*image, weight, *geometry[1:])
            for image in zip(x, offset, mask, strict=True)
        ],
        dtype=torch.float64,
    )
    if with_bias:
        expected += bias[:, None, None]
    torch.testing.assert_close(result.cpu(), expected)


@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
def test_plain_gradients(geometry):
    x, offset, _, weight, _ = problem(*geometry)
    inputs = [t[:1] if t is not weight else t for t in (x, offset, weight)]
    torch.autograd.gradcheck(
        lambda *inputs: deform_conv2d(*inputs, *geometry[1:]),
        [tensor.requires_grad_() for tensor in inputs],
        fast_mode=True,
    )


@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
def test_modulated_gradients(geometry, with_bias):
    inputs = list(problem(*geometry))
    if not with_bias:
        inputs[-1] = None
    for tensor in inputs[: 4 + with_bias]:
        tensor.requires_grad_()
    torch.autograd.gradcheck(
        lambda *inputs: modulated_deform_conv2d(*inputs, *geometry[1:]),
        inputs,
        fast_mode=True,
    )


def test_gradients_of_a_batch_add_up():
    geometry = GEOMETRIES['plain']
    x, offset, _, weight, _ = problem(*geometry)
    weight.requires_grad_()
    parts = []
    for part in (slice(0, 2), slice(0, 1), slice(1, 2)):
        out = deform_conv2d(x[part], offset[part], weight, *geometry[1:])
        parts += torch.autograd.grad(out.square().sum(), weight)
    torch.testing.assert_close(parts[0], parts[1] + parts[2])


def test_kernel_gradient_is_scaled_and_added_to_the_buffer():
    x, offset, mask, weight, _ = problem(*GEOMETRIES['plain'])
    grad = torch.ones(2, 6, *mask.shape[2:], dtype=torch.float64)
    options = dict(kW=3, kH=3, dW=1, dH=1, padW=1, padH=1)
    options.update(dilationW=1, dilationH=1, group=1, deformable_group=1)
    buffers = torch.zeros_like(weight), torch.ones_like(weight)
    for buffer, scale in zip(buffers, (1, 0.5), strict=True):
        deform_conv.deform_conv_backward_parameters(
            x, offset, grad, buffer, None, None, scale=scale, im2col_step=2,
            **options,
        )  # fmt: skip
    assert buffers[0].all()
    torch.testing.assert_close(buffers[1], 1 + buffers[0] / 2)


@pytest.mark.parametrize(
    'layer, factor', [(DeformConv2dPack, 1), (ModulatedDeformConv2dPack, 0.5)]
)
def test_starts_as_an_ordinary_convolution(layer, factor):
    # Offsets start at zero, and so does the mask before its sigmoid.
    conv = layer(4, 6, 3, padding=1)
    x = torch.randn(2, 4, 6, 7)
    expected = F.conv2d(x, conv.weight, padding=1) * factor
    torch.testing.assert_close(conv(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(
    not mmcv_ops.needed(), reason='compiled mmcv has no bfloat16 on the CPU'
)
@pytest.mark.parametrize(
    'layer', [DeformConv2dPack, ModulatedDeformConv2dPack]
)
def test_autocast_rounds_inputs_and_result_only(layer):
    conv = layer(4, 6, 3, padding=1)
    torch.nn.init.normal_(conv.conv_offset.weight, std=0.1)
    x = torch.randn(2, 4, 6, 7, requires_grad=True)
    expected = conv(x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = conv(x)
    result.float().sum().backward()
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.float(), expected, rtol=0.1, atol=0.1)
    assert x.grad.isfinite().all()
