import pytest
import torch
from mmcv.ops import CARAFE, CARAFENaive, CARAFEPack, carafe

from cankd_mm.compat.mmcv_ops import carafe as module

from . import reference

# Channels, size of the map, k, G, s.
CASES = {
    'paper': (4, (5, 6), 5, 1, 2),
    'groups': (4, (4, 3), 3, 2, 2),
    'one weight': (3, (2, 5), 1, 3, 3),
    'same size': (2, (4, 4), 3, 1, 1),
    'window beyond the map': (2, (1, 2), 7, 1, 2),
}


def problem(channels, size, kernel, groups, scale, batch=2):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    upsampled = [length * scale for length in size]
    masks = draw(batch, groups * kernel * kernel, *upsampled)
    return draw(batch, channels, *size), masks, (kernel, groups, scale)


@pytest.fixture(params=[1, 1 << 23], ids=['rows', 'one chunk'])
def chunk(request, monkeypatch):
    monkeypatch.setattr(module, '_CHUNK', request.param)


@pytest.mark.parametrize('case', CASES.values(), ids=CASES)
@pytest.mark.parametrize('layer', [CARAFE, CARAFENaive])
def test_equals_the_weighted_sum_of_the_window(layer, case, chunk, device):
    x, masks, sizes = problem(*case)
    with torch.no_grad():
        result = layer(*sizes)(x.to(device), masks.to(device))
    expected = [
        reference.carafe(*image, *sizes)
        for image in zip(x, masks, strict=True)
    ]
    torch.testing.assert_close(
        result.cpu(), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize('case', CASES.values(), ids=CASES)
def test_gradients(case, chunk):
    x, masks, sizes = problem(*case)
    torch.autograd.gradcheck(
        lambda x, masks: carafe(x, masks, *sizes),
        (x.requires_grad_(), masks.requires_grad_()),
        fast_mode=True,
    )


def test_gradients_of_the_naive_form_are_added_to_the_buffers():
    # mmcv's wrapper allows its backward on a GPU only.
    x, masks, sizes = problem(*CASES['groups'])
    output = carafe(x.requires_grad_(), masks.requires_grad_(), *sizes)
    grad = torch.randn_like(output)
    expected = torch.autograd.grad(output, (x, masks), grad)
    buffers = [torch.ones_like(x), torch.ones_like(masks)]
    module.carafe_naive_backward(
        *(grad, x.detach(), masks.detach(), *buffers, *sizes)
    )
    for buffer, gradient in zip(buffers, expected, strict=True):
        torch.testing.assert_close(buffer - 1, gradient)


def test_half_precision_is_summed_in_float32():
    x, masks, sizes = problem(*CASES['paper'])
    x, masks = x.bfloat16(), masks.bfloat16()
    exact = carafe(x.double(), masks.double(), *sizes)
    result = carafe(x, masks, *sizes)
    assert result.dtype == torch.bfloat16
    # Off by the rounding of the result only.
    assert torch.equal(result, exact.bfloat16()) or torch.allclose(
        result.double(), exact, rtol=2**-8
    )


def test_autocast_does_not_round_the_products():
    x, masks, sizes = problem(*CASES['groups'])
    x, masks = x.float().requires_grad_(), masks.float()
    expected = carafe(x, masks, *sizes)
    grad = torch.autograd.grad(expected.sum(), x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = carafe(x, masks, *sizes)
        found = torch.autograd.grad(result.sum(), x)
    assert torch.equal(result, expected)
    assert torch.equal(*found, *grad)


def test_strided_features_and_weights():
    x, masks, sizes = problem(*CASES['groups'])
    results = []
    for strided in (False, True):
        inputs = [
            t.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
            if strided
            else t
            for t in (x, masks)
        ]
        inputs = [t.detach().requires_grad_() for t in inputs]
        output = carafe(*inputs, *sizes)
        grads = torch.autograd.grad(output.square().sum(), inputs)
        results.append((output, *grads))
    torch.testing.assert_close(*results)


def test_pack_upsamples_and_trains():
    pack = CARAFEPack(8, 2)
    x = torch.randn(2, 8, 5, 7, requires_grad=True)
    output = pack(x)
    assert output.shape == (2, 8, 10, 14)
    output.square().mean().backward()
    for parameter in (x, *pack.parameters()):
        assert parameter.grad.isfinite().all() and parameter.grad.any()


def test_no_image():
    x, masks, sizes = problem(*CASES['paper'], batch=0)
    assert carafe(x, masks, *sizes).shape == (0, 4, 10, 12)
