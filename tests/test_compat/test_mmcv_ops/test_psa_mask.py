import pytest
import torch
from mmcv.ops import PSAMask

from cankd_mm.compat.mmcv_ops import psa_mask

from . import reference

KINDS = ['collect', 'distribute']
# Size of the window, and of the map: whole, cut, even, wider than the map.
SIZES = {
    'every position': ((7, 9), (4, 5)),
    'near positions': ((3, 3), (4, 5)),
    'even': ((4, 2), (3, 6)),
    'far too large': ((11, 13), (2, 3)),
}


def draw(size, shape, batch=2):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        batch,
        size[0] * size[1],
        *shape,
        generator=generator,
        dtype=torch.float64,
    )


@pytest.mark.parametrize('chunk', [1, 1 << 22])
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('size, shape', SIZES.values(), ids=SIZES)
def test_window_is_laid_over_its_position(
    size, shape, kind, chunk, device, monkeypatch
):
    monkeypatch.setattr(psa_mask, '_CHUNK', chunk)
    windows = draw(size, shape)
    result = PSAMask(kind, size)(windows.to(device))
    expected = [reference.psa_mask(image, size, kind) for image in windows]
    assert torch.equal(
        result.cpu(), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('size, shape', SIZES.values(), ids=SIZES)
def test_gradient(size, shape, kind):
    windows = draw(size, shape).requires_grad_()
    torch.autograd.gradcheck(PSAMask(kind, size), windows, fast_mode=True)
    # Exactly: what was copied gets its gradient, the rest gets 0.
    output = PSAMask(kind, size)(windows)
    grad = torch.randn_like(output)
    (found,) = torch.autograd.grad(output, windows, grad)
    ones = torch.ones_like(windows)
    covered = torch.autograd.grad(
        PSAMask(kind, size)(ones.requires_grad_()).sum(), ones
    )[0]
    assert set(covered.unique().tolist()) <= {0.0, 1.0}
    assert (found[covered == 0] == 0).all()
    torch.testing.assert_close((found * windows).sum(), (grad * output).sum())


def test_half_precision_and_strides():
    size, shape = SIZES['near positions']
    windows = draw(size, shape).bfloat16()
    strided = windows.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    result = PSAMask('collect', size)(windows)
    assert result.dtype == torch.bfloat16
    assert torch.equal(PSAMask('collect', size)(strided), result)


def test_no_image():
    assert PSAMask('collect', (3, 3))(draw((3, 3), (4, 5), 0)).numel() == 0
