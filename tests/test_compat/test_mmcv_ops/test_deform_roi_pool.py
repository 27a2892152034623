import pytest
import torch
from mmcv.ops import (
    DeformRoIPoolPack,
    ModulatedDeformRoIPoolPack,
    deform_roi_pool,
)

from cankd_mm.compat.mmcv_ops import deform_roi_pool as module

from . import reference

SIZE = (3, 2)
# The last leaves the map on two sides, and one has no area.
ROIS = [
    [0, 3.0, 2.0, 20.0, 17.0],
    [1, 0.0, 0.0, 7.5, 30.0],
    [1, 9.0, 9.0, 9.0, 9.0],
    [0, -6.0, 20.0, 14.0, 60.0],
]


def problem(rois=ROIS):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    rois = torch.tensor(rois, dtype=torch.float64).view(-1, 5)
    return draw(2, 3, 10, 9), rois, draw(len(rois), 2, *SIZE)


@pytest.mark.parametrize('chunk', [1, 1 << 14])
@pytest.mark.parametrize('with_offset', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_bins_are_means_of_moved_samples(
    ratio, with_offset, chunk, device, monkeypatch
):
    monkeypatch.setattr(module, '_CHUNK', chunk)
    x, rois, offset = problem()
    if not with_offset:
        offset = None
    arguments = [
        None if t is None else t.to(device) for t in (x, rois, offset)
    ]
    result = deform_roi_pool(*arguments, SIZE, 0.4, ratio, 0.1)
    expected = [
        reference.deform_roi_pool(
            x,
            roi,
            None if offset is None else offset[index],
            *(SIZE, 0.4, ratio, 0.1),
        )
        for index, roi in enumerate(rois)
    ]
    torch.testing.assert_close(
        result.cpu(), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize('chunk', [1, 1 << 14])
@pytest.mark.parametrize('ratio', [0, 2])
def test_gradients_within_the_map(ratio, chunk, monkeypatch):
    monkeypatch.setattr(module, '_CHUNK', chunk)
    x, rois, offset = problem(ROIS[:1] + [[1, 5.0, 6.0, 15.0, 12.0]])
    torch.autograd.gradcheck(
        lambda x, offset: deform_roi_pool(
            x, rois, offset, SIZE, 0.4, ratio, 0.1
        ),
        (x.requires_grad_(), offset.requires_grad_()),
        fast_mode=True,
    )


def test_gradient_by_features_anywhere():
    x, rois, offset = problem()
    torch.autograd.gradcheck(
        lambda x: deform_roi_pool(x, rois, offset, SIZE, 0.4, 2, 0.1),
        x.requires_grad_(),
        fast_mode=True,
    )


def test_gradient_by_offsets_beyond_the_edge_is_mmcvs():
    # One sample for one bin, half a pixel above the map: y = -0.5, x = 1.25.
    x = torch.arange(12.0, dtype=torch.float64).view(1, 1, 3, 4) ** 2
    x.requires_grad_()
    roi = torch.tensor([[0, 1.0, -1.0, 2.5, 1.0]], dtype=torch.float64)
    offset = torch.zeros(1, 2, 1, 1, dtype=torch.float64, requires_grad=True)
    deform_roi_pool(x, roi, offset, 1, 1.0, 1, 0.1).sum().backward()
    rows = x.detach()[0, 0]
    y, column = -0.5, 1.25
    low, high = rows[0, 1:3], rows[1, 1:3]
    by_x = (1 - y) * (low[1] - low[0]) + y * (high[1] - high[0])
    by_y = (2 - column) * (high - low)[0] + (column - 1) * (high - low)[1]
    expected = torch.stack((by_x * 1.5, by_y * 2.0)) * 0.1
    torch.testing.assert_close(offset.grad.flatten(), expected)


@pytest.mark.parametrize('chunk', [1, 1 << 14])
@pytest.mark.parametrize('ratio', [0, 2])
def test_gradient_by_offsets_equals_mmcvs_slopes(ratio, chunk, monkeypatch):
    monkeypatch.setattr(module, '_CHUNK', chunk)
    x, rois, offset = problem()
    offset = (offset * 2).requires_grad_()
    arguments = (SIZE, 0.4, ratio, 0.1)
    output = deform_roi_pool(x, rois, offset, *arguments)
    grad = torch.randn_like(output)
    output.backward(grad)
    expected = [
        reference.deform_roi_pool_offset_gradient(
            x, roi, offset[index].detach(), grad[index], *arguments
        )
        for index, roi in enumerate(rois)
    ]
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(offset.grad, expected)


def test_edge_is_decided_by_mmcvs_order_of_operations():
    # One sample each at y = 3, the last that counts, up to the rounding.
    generator = torch.Generator().manual_seed(0)
    top, height = torch.rand(2, 200, generator=generator).double() + 0.5
    bottom = top + height
    start, height = top - 0.5, (bottom - 0.5) - (top - 0.5)
    shift = (3 - 0.5 * height - start) / (0.1 * height)
    left = torch.full_like(top, 0.5)
    rois = torch.stack((left * 0, left, top, left + 1, bottom), 1)
    offset = torch.stack((left * 0, shift), 1)[..., None, None]
    x = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    result = deform_roi_pool(x, rois, offset, 1, 1.0, 1, 0.1)
    y = (start + 0.1 * height * shift) + 0.5 * height
    assert (y > 3).any() and (y <= 3).any()
    assert torch.equal(result.flatten() > 0, y <= 3)


def test_strided_features_and_offsets():
    x, rois, offset = problem()
    inputs = (x, offset)
    strided = [
        t.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) for t in inputs
    ]
    results = []
    for features, shift in (inputs, strided):
        features, shift = (
            t.detach().requires_grad_() for t in (features, shift)
        )
        output = deform_roi_pool(features, rois, shift, SIZE, 0.4, 2, 0.1)
        output.square().sum().backward()
        results.append((output, features.grad, shift.grad))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    'layer', [DeformRoIPoolPack, ModulatedDeformRoIPoolPack]
)
def test_layer_trains(layer):
    pool = layer((3, 3), 4, deform_fc_channels=8, spatial_scale=0.5)
    x = torch.randn(2, 4, 12, 12, requires_grad=True)
    rois = torch.tensor([[0, 2.0, 3, 20, 19], [1, 0, 0, 10, 22]])
    output = pool(x, rois)
    assert output.shape == (2, 4, 3, 3)
    output.square().sum().backward()
    assert x.grad.any()
    assert pool.offset_fc[-1].weight.grad.any()


def test_no_region():
    x, rois, offset = problem([])
    x.requires_grad_()
    output = deform_roi_pool(x, rois, offset, SIZE, 0.4, 0, 0.1)
    assert output.shape == (0, 3, *SIZE)
    output.sum().backward()
    assert not x.grad.any()


def test_half_precision():
    x, rois, offset = (t.bfloat16() for t in problem())
    exact = deform_roi_pool(
        x.float(), rois.float(), offset.float(), SIZE, 0.5, 2, 0.1
    )
    result = deform_roi_pool(x, rois, offset, SIZE, 0.5, 2, 0.1)
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.float(), exact, rtol=1e-2, atol=1e-2)
