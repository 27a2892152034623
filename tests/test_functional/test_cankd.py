"""The mathematics of CanKD against loops over positions."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from cankd_mm.functional.cankd import (
    instance_norm_mse,
    instance_norm_mse_of_moments,
    non_local_dot_product,
)

# B, d, M, K and whether the M x K matrix is the cheaper way.
SIZES = [
    pytest.param(2, 3, 35, 12, False, id='linear'),
    pytest.param(2, 16, 6, 2, True, id='quadratic'),
    pytest.param(1, 1, 1, 1, False, id='one position'),
]


def embeddings(b, d, m, k, requires_grad=False):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(
            b, d, n, generator=generator, dtype=torch.float64
        ).requires_grad_(requires_grad)
        for n in (m, k, k)
    )


def non_local_by_loops(query, key, value):
    (b, d, m), k = query.shape, key.size(2)
    output = torch.zeros_like(query)
    for i in range(b):
        for j in range(m):
            total = torch.zeros(d, dtype=query.dtype)
            for n in range(k):
                similarity = (query[i, :, j] * key[i, :, n]).sum()
                total = total + similarity * value[i, :, n]
            output[i, :, j] = total / k
    return output


def instance_norm_mse_by_loops(student, teacher, eps):
    total = torch.zeros((), dtype=student.dtype)
    for s_map, t_map in zip(
        student.flatten(0, 1), teacher.flatten(0, 1), strict=True
    ):
        normed = []
        for x in (s_map, t_map):
            variance = ((x - x.mean()) ** 2).mean()
            normed.append((x - x.mean()) / (variance + eps) ** 0.5)
        total = total + ((normed[0] - normed[1]) ** 2).sum()
    return total / student.numel()


class ProductShapes(TorchDispatchMode):
    """Records the shapes of all matrix products."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.bmm.default:
            self.shapes.append(tuple(output.shape))
        return output


@pytest.mark.parametrize('b, d, m, k, quadratic', SIZES)
def test_non_local_dot_product_equals_loops(b, d, m, k, quadratic):
    tensors = embeddings(b, d, m, k, requires_grad=True)
    output = non_local_dot_product(*tensors)
    reference = non_local_by_loops(*(x.detach() for x in tensors))
    torch.testing.assert_close(output, reference, rtol=1e-12, atol=1e-12)
    assert gradcheck(non_local_dot_product, tensors)


@pytest.mark.parametrize('b, d, m, k, quadratic', SIZES)
def test_non_local_dot_product_forms_the_smaller_matrix(b, d, m, k, quadratic):
    with ProductShapes() as products:
        non_local_dot_product(*embeddings(b, d, m, k))
    inner = (b, k, m) if quadratic else (b, d, d)
    assert products.shapes == [inner, (b, d, m)]


def test_non_local_dot_product_is_invariant_to_the_order_of_keys():
    query, key, value = embeddings(2, 4, 9, 7)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(
        non_local_dot_product(query, key[..., order], value[..., order]),
        non_local_dot_product(query, key, value),
        rtol=1e-12,
        atol=1e-12,
    )


def test_non_local_dot_product_stays_finite_in_float16():
    # Sums over 4150 keys of this size exceed 65504 unless divided first.
    generator = torch.Generator().manual_seed(0)
    key = 6 + torch.rand(1, 8, 4150, generator=generator)
    query = torch.full((1, 8, 4150), 0.01)
    output = non_local_dot_product(query.half(), key.half(), key.half())
    assert (key @ key.transpose(1, 2)).max() > 65504
    assert output.isfinite().all()


@pytest.mark.parametrize(
    'shapes',
    [
        [(2, 3, 5), (2, 3, 4), (2, 3, 5)],
        [(2, 3, 5), (2, 4, 4), (2, 4, 4)],
        [(2, 3, 5), (1, 3, 4), (1, 3, 4)],
        [(2, 3, 5, 5), (2, 3, 4), (2, 3, 4)],
    ],
)
def test_non_local_dot_product_names_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError) as error:
        non_local_dot_product(*(torch.zeros(shape) for shape in shapes))
    for shape in shapes:
        assert str(shape) in str(error.value)


@pytest.mark.parametrize('shape', [(2, 3, 5, 7), (1, 1, 1, 2)])
@pytest.mark.parametrize('eps', [1e-5, 0.1])
def test_instance_norm_mse_equals_loops(shape, eps):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        (mean + std * torch.randn(shape, generator=generator).double())
        .clone()
        .requires_grad_()
        for mean, std in ((2.0, 0.5), (-1.0, 3.0))
    )
    torch.testing.assert_close(
        instance_norm_mse(student, teacher, eps),
        instance_norm_mse_by_loops(student, teacher, eps),
        rtol=1e-12,
        atol=1e-12,
    )
    assert gradcheck(
        lambda s, t: instance_norm_mse(s, t, eps), (student, teacher)
    )


def test_error_of_moments_equals_that_of_the_maps():
    student, teacher = torch.randn(2, 2, 3, 35, dtype=torch.float64) * 2 + 1
    student.requires_grad_()
    s, t = (x - x.mean(2, keepdim=True) for x in (student, teacher))
    found = instance_norm_mse_of_moments(
        s.square().mean(2), (s * t).mean(2), t.square().mean(2), eps=0.1
    )
    expected = instance_norm_mse(student, teacher, eps=0.1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(found, student),
        torch.autograd.grad(expected, student),
        rtol=1e-11,
        atol=1e-14,
    )


def test_instance_norm_mse_is_two_minus_twice_the_correlation():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        torch.randn(2, 3, 6, 5, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    correlations = [
        torch.corrcoef(torch.stack((s.flatten(), t.flatten())))[0, 1]
        for s, t in zip(
            student.flatten(0, 1), teacher.flatten(0, 1), strict=True
        )
    ]
    torch.testing.assert_close(
        instance_norm_mse(student, teacher, eps=0.0),
        2 - 2 * torch.stack(correlations).mean(),
        rtol=1e-12,
        atol=1e-12,
    )


def test_instance_norm_mse_ignores_scale_and_offset_of_channels():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 5, generator=generator, dtype=torch.float64)
    gain = torch.rand(2, 3, 1, 1, generator=generator).double() + 0.5
    assert instance_norm_mse(gain * x + 7, x, eps=0.0) < 1e-24


def test_instance_norm_mse_of_constant_channels_is_finite():
    constant = torch.full((1, 2, 4, 4), 3.0, requires_grad=True)
    teacher = torch.randn(1, 2, 4, 4)
    loss = instance_norm_mse(constant, teacher)
    loss.backward()
    expected = F.instance_norm(teacher).square().mean()
    torch.testing.assert_close(loss.detach(), expected)
    assert constant.grad.isfinite().all()


def test_instance_norm_mse_sums_half_maps_in_float32():
    student, teacher = 50 + torch.randn(2, 2, 3, 40, 40).half()
    expected = instance_norm_mse(student.float(), teacher.float())
    torch.testing.assert_close(
        instance_norm_mse(student, teacher), expected, rtol=0, atol=0
    )


@pytest.mark.parametrize(
    'student, teacher',
    [
        ((2, 3, 4, 5), (2, 3, 4, 4)),
        ((2, 3, 1, 1), (2, 3, 1, 1)),
        ((2, 3), (2, 3)),
    ],
)
def test_instance_norm_mse_names_shapes_it_cannot_take(student, teacher):
    with pytest.raises(ValueError) as error:
        instance_norm_mse(torch.zeros(student), torch.zeros(teacher))
    assert str(student) in str(error.value)
    assert str(teacher) in str(error.value)


def test_functional_needs_torch_alone():
    # The parent package registers with OpenMMLab, so stand in for it.
    code = (
        'import sys, types, pathlib\n'
        "package = types.ModuleType('cankd_mm')\n"
        "package.__path__ = [str(pathlib.Path('cankd_mm').resolve())]\n"
        "sys.modules['cankd_mm'] = package\n"
        'import cankd_mm.functional\n'
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'mmengine', 'mmcv', 'mmdet', 'mmrazor'}))\n"
    )
    root = __file__.rpartition('tests')[0]
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == '[]'
