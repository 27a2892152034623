import pytest
import torch
from mmcv.ops import RoIPool, roi_pool

from cankd_mm.compat.mmcv_ops import roi_pool as module

from . import reference

# image, x1, y1, x2, y2 in units twice as fine as the (11, 13) map's pixels
ROIS = {
    'inside': [0, 3.0, 2.0, 14.6, 17.0],
    'whole pixels': [1, 2.0, 4.0, 9.0, 11.0],
    'smaller than its bins': [1, 8.2, 8.4, 9.0, 8.8],
    'over the edge': [0, -9.0, -7.0, 12.0, 40.0],
    'outside': [1, 60.0, 60.0, 80.0, 90.0],
    'ends before it begins': [0, 9.0, 9.0, 7.0, 12.0],
}
NAMES = [*ROIS]


def problem(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 11, 13, generator=generator, dtype=dtype)
    return x, torch.tensor([*ROIS.values()], dtype=dtype)


def expected_of(x, rois, size):
    """Values, and the gradient of a weighted sum of them: (N, C, h, w)."""
    found = [reference.roi_pool(x, roi, size, 0.5) for roi in rois]
    values = torch.tensor(
        [[[[b[0] for b in r] for r in c] for c in roi] for roi in found]
    )
    return found, values.to(x)


@pytest.fixture(params=[1 << 15, 7], ids=['one chunk', 'chunks'])
def chunk(request, monkeypatch):
    monkeypatch.setattr(module, '_CHUNK', request.param)


@pytest.mark.parametrize('size', [(7, 7), (2, 3), (1, 1)])
def test_equals_the_maximum_of_each_bin(size, chunk, device):
    x, rois = problem()
    result = roi_pool(x.to(device), rois.to(device), size, 0.5)
    _, expected = expected_of(x, rois, size)
    torch.testing.assert_close(result.cpu(), expected)
    for name in ('outside', 'ends before it begins'):
        assert not result[NAMES.index(name)].any()


@pytest.mark.parametrize('size', [(7, 7), (2, 3)])
def test_gradient_goes_to_the_maximum(size, chunk):
    x, rois = problem()
    x.requires_grad_()
    output = roi_pool(x, rois, size, 0.5)
    grad = torch.randn_like(output)
    output.backward(grad)
    found, _ = expected_of(x.detach(), rois, size)
    expected = torch.zeros_like(x)
    for n, roi in enumerate(found):
        for c, channel in enumerate(roi):
            for i, row in enumerate(channel):
                for j, (_, y, column) in enumerate(row):
                    if y is not None:
                        image = int(rois[n, 0])
                        expected[image, c, y, column] += grad[n, c, i, j]
    torch.testing.assert_close(x.grad, expected)


def test_first_of_equal_pixels_gets_the_gradient():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    roi_pool(x, torch.tensor([[0, 1.0, 1, 2, 2]]), 1, 1.0).sum().backward()
    assert x.grad[0, 0].nonzero().tolist() == [[1, 1]]


def test_no_region():
    x = problem()[0].requires_grad_()
    output = roi_pool(x, torch.zeros(0, 5).double(), 7, 1.0)
    assert output.shape == (0, 3, 7, 7)
    output.sum().backward()
    assert not x.grad.any()


def test_strided_features():
    x, rois = problem(torch.float32)
    layer = RoIPool(7, 0.5)
    strided = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(layer(strided, rois), layer(x, rois))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_exact(dtype):
    x, rois = problem(dtype)
    output = roi_pool(x.requires_grad_(), rois, 7, 0.5)
    assert torch.equal(output, roi_pool(x.float(), rois.float(), 7, 0.5).to(x))
    output.sum().backward()
    assert x.grad.dtype == dtype
