import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)

from cankd_mm.compat import mmcv_ops

from . import reference

pytestmark = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='compiled mmcv has it on the GPU only'
)
SHAPES = torch.tensor([[4, 5], [2, 3], [1, 1]])
STARTS = torch.tensor([0, 20, 26])


def problem():
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(2, 27, 2, 3, generator=generator).double()
    # Points inside and outside the map.
    locations = torch.rand(2, 5, 2, 3, 4, 2, generator=generator).double()
    weights = torch.rand(2, 5, 2, 3, 4, generator=generator).double()
    return value, locations * 1.4 - 0.2, weights


def attend(value, locations, weights):
    shapes, starts = SHAPES.to(value.device), STARTS.to(value.device)
    return MultiScaleDeformableAttnFunction.apply(
        value, shapes, starts, locations, weights, 64
    )


def test_equals_the_weighted_sum_of_samples(device):
    value, locations, weights = problem()
    output = attend(*(t.to(device) for t in (value, locations, weights)))
    expected = torch.zeros(2, 5, 2, 3, dtype=torch.float64)
    for b in range(2):
        for head in range(2):
            levels = [
                part.T.reshape(3, *shape).tolist()
                for part, shape in zip(
                    value[b, :, head].split([20, 6, 1]),
                    SHAPES.tolist(),
                    strict=True,
                )
            ]
            for query in range(5):
                expected[b, query, head] = torch.tensor(
                    reference.ms_deform_attn(
                        levels,
                        locations[b, query, head],
                        weights[b, query, head],
                    ),
                    dtype=torch.float64,
                )
    torch.testing.assert_close(output.cpu(), expected.flatten(2))


def test_gradients():
    inputs = [tensor.requires_grad_() for tensor in problem()]
    torch.autograd.gradcheck(attend, inputs, fast_mode=True)


def test_equals_what_mmcv_computes_on_the_cpu():
    inputs = [tensor.requires_grad_() for tensor in problem()]
    value, locations, weights = inputs
    results = []
    for output in (
        attend(*inputs),
        multi_scale_deformable_attn_pytorch(value, SHAPES, locations, weights),
    ):
        grads = torch.autograd.grad(output.square().sum(), inputs)
        results.append((output, *grads))
    torch.testing.assert_close(*results)


def test_half_precision_rounds_only_the_result():
    inputs = [tensor.half() for tensor in problem()]
    expected = attend(*(tensor.float() for tensor in inputs)).half()
    assert torch.equal(attend(*inputs), expected)


def test_point_at_exactly_minus_one_has_no_gradient():
    # mmcv's rule; from inside there would be a slope.
    shapes, starts = torch.tensor([[4, 4]]), torch.tensor([0])
    value = torch.randn(1, 16, 1, 2, dtype=torch.float64)
    edge = (-1 + 0.5) / 4
    locations = torch.tensor(
        [[edge, 0.5], [0.5, edge], [0.5, 0.5]], dtype=torch.float64
    ).view(1, 1, 1, 1, 3, 2)
    locations.requires_grad_()
    weights = torch.ones(1, 1, 1, 1, 3, dtype=torch.float64)
    MultiScaleDeformableAttnFunction.apply(
        value, shapes, starts, locations, weights, 64
    ).sum().backward()
    assert not locations.grad[..., :2, :].any()
    assert locations.grad[..., 2, :].all()
