"""The fallback against mmcv's own C++, where that is installed."""

import importlib

import pytest
import torch
import torch.nn.functional as F

from cankd_mm.compat import mmcv_ops
from cankd_mm.compat.mmcv_ops import deform_conv, nms, roi_align

from .test_nms import random_boxes

pytestmark = [
    pytest.mark.skipif(mmcv_ops.needed(), reason='mmcv is not compiled'),
    pytest.mark.usefixtures('backend'),
]
EMPTY = torch.empty(0)


@pytest.fixture
def compiled():
    return importlib.import_module('mmcv._ext')


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def assert_same(modules, name, arguments, shapes, tolerance, **options):
    """Calls the operator of each module and compares what it writes.

    ``arguments`` takes buffers of zeros and returns the whole list.
    """
    results = []
    for module in modules:
        buffers = [torch.zeros(shape) for shape in shapes]
        getattr(module, name)(*arguments(*buffers), **options)
        results.append(buffers)
    torch.testing.assert_close(*results, rtol=tolerance, atol=tolerance)
    return results[0]


def rounded(boxes, scores):
    """Whole pixels and few scores in one half: exact thresholds and ties."""
    half = len(boxes) // 2
    boxes[half:] = boxes[half:].round()
    scores[half:] = (scores[half:] * 10).round() / 10
    return boxes, scores


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.6, 0.7])
@pytest.mark.parametrize('seed', range(5))
def test_nms_is_equal(seed, threshold, offset, compiled):
    boxes, scores = random_boxes(1000, spread=300.0, seed=seed)
    boxes, _ = rounded(boxes, scores.clone())  # mmcv's sort is not stable
    arguments = (boxes, scores, threshold, offset)
    assert torch.equal(nms.nms(*arguments), compiled.nms(*arguments))


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('min_score', [0.0, 0.05, 0.4])
@pytest.mark.parametrize('method', [0, 1, 2])
@pytest.mark.parametrize('seed', range(3))
def test_soft_nms_is_equal(seed, method, min_score, offset, compiled):
    boxes, scores = rounded(*random_boxes(300, seed=seed))
    boxes[:3, 2:] = boxes[:3, :2] = boxes[0, :2]  # no area: IoU is NaN
    results = []
    for module in (compiled, nms):
        dets = torch.zeros(300, 5)
        kept = module.softnms(
            boxes, scores, dets, 0.3, 0.5, min_score, method, offset
        )
        results.append((kept, dets[: len(kept)]))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('mode', [0, 1])
def test_roi_align_is_equal(mode, ratio, aligned, compiled):
    x, grad = draw(2, 8, 50, 68), draw(100, 8, 7, 7)
    boxes, _ = rounded(*random_boxes(100, spread=280.0))
    boxes[0, 2:] = boxes[0, :2]
    rois = torch.cat((torch.arange(100.0)[:, None] % 2, boxes), 1)
    options = dict(
        aligned_height=7,
        aligned_width=7,
        spatial_scale=0.25,
        sampling_ratio=ratio,
        pool_mode=mode,
        aligned=aligned,
    )
    argmax = grad.shape if mode == 0 else (0,)
    _, *argmax = assert_same(
        (compiled, roi_align),
        'roi_align_forward',
        lambda *buffers: (x, rois, *buffers),
        (grad.shape, argmax, argmax),
        1e-5,
        **options,
    )
    assert_same(
        (compiled, roi_align),
        'roi_align_backward',
        lambda buffer: (grad, rois, *argmax, buffer),
        (x.shape,),
        1e-4,
        **options,
    )


@pytest.fixture(params=[(1, 1), (2, 1), (1, 4)], ids='groups-{0[0]}'.format)
def convolution(request):
    groups, offset_groups = request.param
    x, weight, bias = draw(2, 8, 15, 17), draw(4, 8 // groups, 3, 3), draw(4)
    grad = F.conv2d(x, draw(4, 8, 3, 3), None, (2, 1), (1, 2))
    size = grad.shape[2:]
    offset = draw(2, 18 * offset_groups, *size)
    mask = draw(2, 9 * offset_groups, *size).sigmoid()
    options = dict(group=groups, deformable_group=offset_groups)
    return x, offset, mask, weight, bias, grad, options


@pytest.mark.parametrize('step', [1, 2])
def test_deform_conv_is_equal(convolution, step, compiled):
    x, offset, _, weight, _, grad, options = convolution
    options.update(kW=3, kH=3, dW=1, dH=2, padW=2, padH=1)
    options.update(dilationW=1, dilationH=1, im2col_step=step)
    modules = (compiled, deform_conv)
    assert_same(
        modules,
        'deform_conv_forward',
        lambda out: (x, weight, offset, out, EMPTY, EMPTY.clone()),
        (grad.shape,),
        1e-4,
        **options,
    )
    assert_same(
        modules,
        'deform_conv_backward_input',
        lambda dx, do: (x, offset, grad, dx, do, weight, EMPTY),
        (x.shape, offset.shape),
        1e-4,
        **options,
    )
    assert_same(
        modules,
        'deform_conv_backward_parameters',
        lambda dw: (x, offset, grad, dw, EMPTY, EMPTY.clone()),
        (weight.shape,),
        1e-3,
        scale=0.5,
        **options,
    )


@pytest.mark.parametrize('with_bias', [True, False])
def test_modulated_deform_conv_is_equal(convolution, with_bias, compiled):
    x, offset, mask, weight, bias, grad, options = convolution
    options.update(kernel_h=3, kernel_w=3, stride_h=2, stride_w=1)
    options.update(pad_h=1, pad_w=2, dilation_h=1, dilation_w=1)
    options.update(with_bias=with_bias)
    modules = (compiled, deform_conv)
    ones, columns = EMPTY, EMPTY.clone()
    assert_same(
        modules,
        'modulated_deform_conv_forward',
        lambda out: (x, weight, bias, ones, offset, mask, out, columns),
        (grad.shape,),
        1e-4,
        **options,
    )
    inputs = (x, weight, bias, offset, mask)
    assert_same(
        modules,
        'modulated_deform_conv_backward',
        lambda *buffers: (
            *(x, weight, bias, ones, offset, mask, columns),
            *buffers,
            grad,
        ),
        [tensor.shape for tensor in inputs],
        1e-3,
        **options,
    )
