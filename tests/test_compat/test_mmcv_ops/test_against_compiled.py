"""The fallback against mmcv's own C++, where that is installed."""

import importlib

import pytest
import torch
import torch.nn.functional as F

from cankd_mm.compat import mmcv_ops
from cankd_mm.compat.mmcv_ops import (
    carafe,
    deform_conv,
    deform_roi_pool,
    line_nms,
    masked_conv,
    nms,
    psa_mask,
    roi_align,
    roi_pool,
    sync_batch_norm,
)

from . import test_line_nms
from .test_nms import random_boxes

pytestmark = [
    pytest.mark.skipif(mmcv_ops.needed(), reason='mmcv is not compiled'),
    pytest.mark.usefixtures('backend'),
]
EMPTY = torch.empty(0)
# What mmcv compiles for GPUs only.
on_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='the operator needs a GPU'
)


@pytest.fixture
def compiled():
    return importlib.import_module('mmcv._ext')


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def assert_same(
    modules, name, arguments, shapes, tolerance, device='cpu', **options
):
    """Calls the operator of each module and compares what it writes.

    ``arguments`` takes buffers of zeros and returns the whole list.
    """
    results = []
    for module in modules:
        buffers = [torch.zeros(shape, device=device) for shape in shapes]
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


@pytest.mark.parametrize('moved', [0.0, 1.0, -1.0, 0.25])
def test_points_on_the_edge_are_equal(moved, compiled):
    x, weight, grad = draw(1, 2, 5, 6), draw(3, 2, 3, 3), draw(1, 3, 5, 6)
    offset = torch.full((1, 18, 5, 6), moved)
    options = dict(kW=3, kH=3, dW=1, dH=1, padW=1, padH=1, im2col_step=1)
    options.update(dilationW=1, dilationH=1, group=1, deformable_group=1)
    assert_same(
        (compiled, deform_conv),
        'deform_conv_backward_input',
        lambda dx, do: (x, offset, grad, dx, do, weight, EMPTY),
        (x.shape, offset.shape),
        1e-4,
        **options,
    )


def test_larger_offsets_are_read_alike(compiled):
    x, weight, grad = draw(2, 4, 9, 8), draw(6, 4, 3, 3), draw(2, 6, 5, 4)
    offset, mask = draw(2, 18, 9, 8), draw(2, 9, 9, 8).sigmoid()
    options = dict(kernel_h=3, kernel_w=3, stride_h=2, stride_w=2)
    options.update(pad_h=1, pad_w=1, dilation_h=1, dilation_w=1)
    options.update(group=1, deformable_group=1, with_bias=False)
    bias, ones, columns = EMPTY, EMPTY.clone(), EMPTY.clone()
    modules = (compiled, deform_conv)
    assert_same(
        modules,
        'modulated_deform_conv_forward',
        lambda out: (x, weight, bias, ones, offset, mask, out, columns),
        (grad.shape,),
        1e-4,
        **options,
    )
    assert_same(
        modules,
        'modulated_deform_conv_backward',
        lambda *buffers: (
            *(x, weight, bias, ones, offset, mask, columns),
            *buffers,
            grad,
        ),
        [tensor.shape for tensor in (x, weight, bias, offset, mask)],
        1e-3,
        **options,
    )


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.7])
def test_nms_match_is_equal(threshold, compiled):
    boxes, scores = random_boxes(200)  # no score twice
    boxes[:100] = boxes[:100].round()
    dets = torch.cat((boxes, scores[:, None]), 1)
    groups = [m.nms_match(dets, threshold) for m in (compiled, nms)]
    assert [list(g) for g in groups[0]] == [list(g) for g in groups[1]]


@pytest.mark.parametrize('kind', [0, 1])
@pytest.mark.parametrize('window', [(7, 9), (3, 3), (4, 2), (11, 13)])
def test_psa_mask_is_equal(window, kind, compiled):
    height, width = 4, 5
    x = draw(2, window[0] * window[1], height, width)
    weights = draw(2, height * width, height, width)
    options = dict(psa_type=kind, num_=2, h_feature=height, w_feature=width)
    options.update(h_mask=window[0], w_mask=window[1])
    options.update(half_h_mask=(window[0] - 1) // 2)
    options.update(half_w_mask=(window[1] - 1) // 2)
    for name, source, target in (
        ('psamask_forward', x, weights),
        ('psamask_backward', weights, x),
    ):
        assert_same(
            (compiled, psa_mask),
            name,
            lambda buffer, source=source: (source, buffer),
            (target.shape,),
            0,
            **options,
        )


@on_gpu
@pytest.mark.parametrize('name', ['carafe', 'carafe_naive'])
@pytest.mark.parametrize('kernel, groups, scale', [(5, 1, 2), (3, 2, 3)])
def test_carafe_is_equal(name, kernel, groups, scale, compiled):
    x = draw(2, 8, 6, 7).cuda()
    size = (6 * scale, 7 * scale)
    masks = draw(2, groups * kernel * kernel, *size).cuda()
    grad = draw(2, 8, *size).cuda()
    options = dict(kernel_size=kernel, group_size=groups, scale_factor=scale)
    inputs, results = (x, masks), []
    for module in (compiled, carafe):
        output, *by_inputs = (torch.zeros_like(t) for t in (grad, *inputs))
        features, forward, backward = x, (), ()
        if name == 'carafe':  # work space
            features, *rest = (torch.zeros_like(t) for t in (x, grad, masks))
            forward = (features, *rest)
            backward = [torch.zeros_like(t) for t in (grad, grad, x, masks)]
        getattr(module, f'{name}_forward')(
            *inputs, *forward, output, **options
        )
        getattr(module, f'{name}_backward')(
            *(grad, features, masks, *backward, *by_inputs), **options
        )
        results.append((output, *by_inputs))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)


@on_gpu
@pytest.mark.parametrize('with_offset', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_deform_roi_pool_is_equal(ratio, with_offset, compiled):
    x, rois = regions()
    offset = draw(len(rois), 2, 7, 7).cuda() if with_offset else EMPTY.cuda()
    grad = draw(len(rois), 8, 7, 7).cuda()
    options = dict(pooled_height=7, pooled_width=7, spatial_scale=0.25)
    options.update(sampling_ratio=ratio, gamma=0.1)
    modules = (compiled, deform_roi_pool)
    assert_same(
        modules,
        'deform_roi_pool_forward',
        lambda out: (x, rois, offset, out),
        (grad.shape,),
        1e-4,
        device='cuda',
        **options,
    )
    assert_same(
        modules,
        'deform_roi_pool_backward',
        lambda *buffers: (grad, x, rois, offset, *buffers),
        (x.shape, offset.shape),
        1e-3,
        device='cuda',
        **options,
    )


@on_gpu
def test_roi_pool_is_equal(compiled):
    x, rois = regions()
    grad = draw(len(rois), 8, 7, 7).cuda()
    options = dict(pooled_height=7, pooled_width=7, spatial_scale=0.25)
    results = []
    for module in (compiled, roi_pool):
        output = torch.zeros_like(grad)
        argmax = torch.zeros_like(grad, dtype=torch.int)
        by_input = torch.zeros_like(x)
        module.roi_pool_forward(x, rois, output, argmax, **options)
        module.roi_pool_backward(grad, rois, argmax, by_input, **options)
        results.append((output, argmax, by_input))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


def regions():
    boxes, _ = random_boxes(100, spread=280.0)
    rois = torch.cat((torch.arange(100.0)[:, None] % 2, boxes), 1)
    return draw(2, 8, 50, 68).cuda(), rois.cuda()


@on_gpu
def test_masked_convolution_is_equal(compiled):
    x, values = draw(1, 4, 6, 7).cuda(), draw(6, 7).cuda()
    rows, columns = (c.contiguous() for c in (values > 0).nonzero().T)
    modules = (compiled, masked_conv)
    assert_same(
        modules,
        'masked_im2col_forward',
        lambda out: (x, rows, columns, out),
        ((4 * 9, len(rows)),),
        0,
        device='cuda',
        **dict(kernel_h=3, kernel_w=3, pad_h=1, pad_w=1),
    )
    col = draw(5, len(rows)).cuda()
    assert_same(
        modules,
        'masked_col2im_forward',
        lambda out: (col, rows, columns, out),
        ((1, 5, 6, 7),),
        0,
        device='cuda',
        **dict(height=6, width=7, channels=5),
    )


@on_gpu
def test_synchronized_batch_norm_is_equal(compiled):
    x, grad = draw(4, 3, 20).cuda(), draw(4, 3, 20).cuda() * 2
    weight, bias = draw(2, 3).cuda()
    results = []
    for module in (compiled, sync_batch_norm):
        vectors = torch.zeros(7, 3, device='cuda').unbind()
        mean, var, running_mean, running_var, std, by_weight, by_bias = vectors
        norm, output, by_input = torch.zeros(3, *x.shape, device='cuda')
        module.sync_bn_forward_mean(x, mean)
        module.sync_bn_forward_var(x, mean, var)
        module.sync_bn_forward_output(
            *(x, mean, var, weight, bias, running_mean, running_var),
            *(norm, std, output),
            **dict(eps=1e-5, momentum=0.3, group_size=2),
        )
        module.sync_bn_backward_param(grad, norm, by_weight, by_bias)
        module.sync_bn_backward_data(
            grad, weight, by_weight, by_bias, norm, std, by_input
        )
        results.append([*vectors, norm, output, by_input])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@on_gpu
@pytest.mark.parametrize('top_k', [3, 100])
@pytest.mark.parametrize('threshold', [5.0, 12.0, 60.0])
def test_line_nms_is_equal(threshold, top_k, compiled):
    lanes, scores = test_line_nms.draw(100, 0)
    # mmcv's kernel mixes up lanes that are not sorted.
    scores, order = scores.sort(descending=True)
    arguments = (lanes[order].cuda(), scores.cuda(), threshold, top_k)
    results = [m.line_nms_forward(*arguments) for m in (compiled, line_nms)]
    for found, expected in zip(*results, strict=True):
        assert torch.equal(found.cpu(), expected.cpu())
