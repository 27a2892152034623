import pytest
import torch
from mmcv.ops import RoIAlign, roi_align

from cankd_mm.compat import mmcv_ops
from cankd_mm.compat.mmcv_ops import roi_align as fallback

from . import reference

pytestmark = pytest.mark.usefixtures('backend')
fallback_only = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='compiled mmcv reads strides and halves ill'
)

# image, x1, y1, x2, y2 in units twice as fine as the (11, 13) map's pixels
REGIONS = {
    'inside': [0, 3.0, 2.0, 14.6, 17.0],
    'small': [1, 8.2, 8.4, 9.0, 8.8],
    'empty': [1, 4.0, 4.0, 4.0, 4.0],
    'flat': [0, 2.0, 4.0, 20.0, 4.0],
    'over the edge': [0, -9.0, -7.0, 12.0, 40.0],
    'in the last pixel': [1, 24.0, 20.0, 26.9, 22.9],
    'outside': [1, 60.0, 60.0, 80.0, 90.0],
}


def features(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 11, 13, generator=generator, dtype=dtype)


@pytest.fixture(params=[1 << 20, 7], ids=['one chunk', 'chunks'])
def chunk(request, monkeypatch):
    monkeypatch.setattr(
        fallback, '_CHUNK', dict.fromkeys(fallback._CHUNK, request.param)
    )


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('size', [(7, 7), (2, 3)])
def test_equals_the_samples_of_each_bin(
    size, mode, ratio, aligned, chunk, device
):
    x, rois = features(), torch.tensor(list(REGIONS.values())).double()
    pooled = roi_align(
        x.to(device), rois.to(device), size, 0.5, ratio, mode, aligned
    )
    expected = [
        reference.roi_align(x, roi, size, 0.5, ratio, mode, aligned)
        for roi in rois
    ]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(pooled.cpu(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_gradient(mode, ratio, aligned, chunk):
    x, rois = features(), torch.tensor(list(REGIONS.values())).double()
    torch.autograd.gradcheck(
        lambda x: roi_align(x, rois, (2, 3), 0.5, ratio, mode, aligned),
        (x.requires_grad_(),),
        fast_mode=True,
    )


def test_gradients_of_overlapping_regions_add_up():
    x = features().requires_grad_()
    roi = torch.tensor([REGIONS['inside']]).double()
    roi_align(x, roi, 7, 0.5).sum().backward()
    once, x.grad = x.grad, None
    roi_align(x, roi.repeat(3, 1), 7, 0.5).sum().backward()
    torch.testing.assert_close(x.grad, once * 3)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_no_regions(mode):
    x = features().requires_grad_()
    pooled = roi_align(x, torch.zeros(0, 5).double(), 7, 1.0, 0, mode)
    assert pooled.shape == (0, 3, 7, 7)
    pooled.sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_only_empty_regions():
    x = features().requires_grad_()
    roi = torch.tensor([REGIONS['empty']]).double()
    pooled = roi_align(x, roi, 7, 0.5)
    pooled.sum().backward()
    assert not pooled.any()
    assert not x.grad.any()


@fallback_only
def test_channels_last_gives_the_same():
    x = features(torch.float32)
    rois = torch.tensor(list(REGIONS.values()))
    layer = RoIAlign(7, 0.5, sampling_ratio=2)
    torch.testing.assert_close(
        layer(x.contiguous(memory_format=torch.channels_last), rois),
        layer(x, rois),
    )


@fallback_only
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_rounds_only_the_result(dtype):
    x = features(dtype)
    rois = torch.tensor(list(REGIONS.values())).to(dtype)
    assert torch.equal(
        roi_align(x, rois, 7, 0.5),
        roi_align(x.float(), rois.float(), 7, 0.5).to(dtype),
    )
