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


def zero_offsets(padding):
    """Where a deformable convolution starts: points at exactly -1 and -2."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, 2, 5, 6)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 2, 3, 3, generator=generator, dtype=torch.float64)
    size = [length + 2 * padding - 2 for length in shape[2:]]
    offset = torch.zeros(1, 18, *size, dtype=torch.float64)
    return x, offset, weight


@pytest.mark.parametrize('modulated', [False, True])
@pytest.mark.parametrize('moved', [0.0, 1.0, -1.0, 0.25])
@pytest.mark.parametrize('padding', [1, 2])
def test_offsets_that_start_at_zero_have_mmcvs_gradient(
    padding, moved, modulated, device
):
    x, offset, weight = (t.to(device) for t in zero_offsets(padding))
    offset = (offset + moved).requires_grad_()
    if modulated:
        mask = torch.ones_like(offset[:, :9])
        output = modulated_deform_conv2d(
            x, offset, mask, weight, None, 1, padding
        )
    else:
        output = deform_conv2d(x, offset, weight, 1, padding)
    grad = torch.randn_like(output)
    output.backward(grad)
    expected = reference.deform_conv_offset_gradient(
        *(t.detach().cpu() for t in (x[0], offset[0], weight, grad[0])),
        padding,
    )
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(
        offset.grad[0].cpu(), expected.view(offset.shape[1:])
    )


@pytest.mark.parametrize('geometry', GEOMETRIES.values(), ids=GEOMETRIES)
def test_larger_offsets_are_read_as_they_lie_in_memory(geometry, device):
    x, offset, mask, weight, bias = problem(*geometry)
    size = offset.shape[2:]
    larger = [
        torch.randn(2, maps.shape[1], size[0] + 2, size[1] * 2).double()
        for maps in (offset, mask)
    ]
    inputs = [t.to(device).requires_grad_() for t in (x, *larger, weight)]
    result = modulated_deform_conv2d(*inputs, bias.to(device), *geometry[1:])
    repacked = [
        torch.tensor([reference.packed(image, size) for image in maps])
        for maps in larger
    ]
    expected = [
        reference.deform_conv(
            image, offsets.double(), masks.double(), weight, *geometry[1:]
        )
        for image, offsets, masks in zip(x, *repacked, strict=True)
    ]
    expected = torch.tensor(expected, dtype=torch.float64)
    expected += bias[:, None, None]
    torch.testing.assert_close(result.cpu(), expected)

    # Numbers that are not read have no gradient; the others as elsewhere.
    grad = torch.randn_like(result)
    found = torch.autograd.grad(result, inputs, grad)
    exact = [x, *(maps.double() for maps in repacked), weight]
    exact = [t.to(device).requires_grad_() for t in exact]
    expected = torch.autograd.grad(
        modulated_deform_conv2d(*exact, bias.to(device), *geometry[1:]),
        exact,
        grad,
    )
    for index in (0, 3):
        torch.testing.assert_close(found[index], expected[index])
    for index in (1, 2):
        read = expected[index].flatten(1)
        flat = found[index].flatten(1)
        torch.testing.assert_close(flat[:, : read.shape[1]], read)
        assert not flat[:, read.shape[1] :].any()


def test_gradients_are_added_or_written_as_mmcv_does():
    x, offset, mask, weight, bias = problem(*GEOMETRIES['plain'])
    inputs = (x, weight, bias, offset, mask)
    grad = torch.randn(2, 6, *mask.shape[2:], dtype=torch.float64)
    options = dict(kernel_h=3, kernel_w=3, stride_h=1, stride_w=1)
    options.update(pad_h=1, pad_w=1, dilation_h=1, dilation_w=1)
    options.update(group=1, deformable_group=1, with_bias=True)
    results = []
    for start in (0, 1):
        buffers = [torch.full_like(t, start) for t in inputs]
        deform_conv.modulated_deform_conv_backward(
            x, weight, bias, None, offset, mask, None, *buffers, grad,
            **options,
        )  # fmt: skip
        results.append(buffers)
    for index, added in enumerate((1, 1, 1, 0, 0)):
        torch.testing.assert_close(
            results[1][index], results[0][index] + added
        )


@pytest.mark.parametrize('size', [(1, 1), (5, 7), (12, 14)])
def test_plain_convolution_refuses_offsets_of_another_size(size):
    x, offset, _, weight, _ = problem(*GEOMETRIES['plain'])
    offset = offset.new_zeros(2, 18, *size)
    with pytest.raises((ValueError, RuntimeError), match='offset'):
        deform_conv2d(x, offset, weight, *GEOMETRIES['plain'][1:])


def test_smaller_offsets_are_refused():
    geometry = GEOMETRIES['plain']
    x, offset, mask, weight, bias = problem(*geometry)
    with pytest.raises(ValueError, match=r'offset has shape \(2, 18, 5, 7\)'):
        modulated_deform_conv2d(
            x, offset[:, :, :5], mask, weight, bias, *geometry[1:]
        )


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
