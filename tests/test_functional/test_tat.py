"""The mathematics of TaT against loops over positions."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from cankd_mm.functional import chunks
from cankd_mm.functional.tat import (
    anchor_points,
    patch_groups,
    patch_strips,
    target_aware_attention,
)


def tokens(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def attention_by_loops(query, key, value, axis, scale):
    """Equations 1 and 2 ('student') or the authors' code ('teacher')."""
    output = torch.zeros_like(query)
    length = query.size(-2)
    for lead in product(*map(range, query.shape[:-2])):
        q, k, v = (x[lead] for x in (query, key, value))
        for i in range(length):
            similarity = torch.stack(
                [
                    (q[i] * k[j]).sum()
                    if axis == 'teacher'
                    else (k[i] * q[j]).sum()
                    for j in range(length)
                ]
            )
            weight = (scale * similarity).exp()
            weight = weight / weight.sum()
            output[lead][i] = sum(weight[j] * v[j] for j in range(length))
    return output


@pytest.mark.parametrize('shape', [(2, 3, 5, 4), (7, 3), (1, 1, 1, 2)])
@pytest.mark.parametrize('scale', [1.0, 0.3])
@pytest.mark.parametrize('axis', ['teacher', 'student'])
def test_attention_equals_the_loops(axis, scale, shape):
    query, key, value = (tokens(*shape, seed=i) for i in range(3))
    torch.testing.assert_close(
        target_aware_attention(query, key, value, axis, scale),
        attention_by_loops(query, key, value, axis, scale),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize('axis', ['teacher', 'student'])
def test_attention_gradients_equal_finite_differences(axis):
    inputs = [tokens(1, 2, 3, 2, seed=i).requires_grad_() for i in range(3)]
    assert gradcheck(lambda *x: target_aware_attention(*x, axis), inputs)


def test_scale_none_is_one_over_the_root_of_the_channels():
    query, key, value = (tokens(1, 1, 6, 4, seed=i) for i in range(3))
    torch.testing.assert_close(
        target_aware_attention(query, key, value, scale=None),
        target_aware_attention(query, key, value, scale=0.5),
    )


def test_axes_differ_in_what_may_be_permuted_together():
    query, key, value = (tokens(1, 1, 6, 4, seed=i) for i in range(3))
    order = torch.tensor([3, 0, 5, 1, 4, 2])

    def unchanged(axis, q, k, v):
        return torch.allclose(
            target_aware_attention(query, key, value, axis),
            target_aware_attention(q, k, v, axis),
        )

    def shuffled(x):
        return x[:, :, order]

    for axis, by_student in (('student', True), ('teacher', False)):
        assert by_student == unchanged(
            axis, shuffled(query), key, shuffled(value)
        )
        assert by_student != unchanged(
            axis, query, shuffled(key), shuffled(value)
        )


def test_constant_values_stay_because_weights_sum_to_one():
    query, key = tokens(2, 3, 5, 4), tokens(2, 3, 5, 4, seed=1)
    value = torch.full_like(query, 2.5)
    for axis in ('teacher', 'student'):
        torch.testing.assert_close(
            target_aware_attention(query, key, value, axis), value
        )


class LargestTensor(TorchDispatchMode):
    """Remembers the largest number of elements any operation returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple) else [result]:
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.numel())
        return result


@pytest.mark.parametrize('axis', ['teacher', 'student'])
def test_attention_on_transposed_views_keeps_no_weights(axis):
    length, channels = 600, 8
    inputs = [
        torch.randn(1, 1, channels, length).transpose(2, 3).requires_grad_()
        for _ in range(3)
    ]
    with LargestTensor() as largest:
        target_aware_attention(*inputs, axis).sum().backward()
    assert largest.elements < length * length / 4


def test_patches_are_numbered_by_rows_and_stacked_in_groups():
    # 16 x 16 patches of 8x8 out of 129x129, 64 groups: the authors' layout.
    batch, channels, side = 1, 2, 129
    x = tokens(batch, channels, side, side)
    groups = patch_groups(x, (8, 8), 4)
    assert groups.shape == (1, 64, 64, 4 * channels)
    for group, first in ((0, 0), (1, 4), (4, 16), (63, 252)):
        for patch in range(4):
            row, column = divmod(first + patch, 16)
            for y, x_offset in ((0, 0), (3, 5), (7, 7)):
                torch.testing.assert_close(
                    groups[
                        0,
                        group,
                        y * 8 + x_offset,
                        patch * channels : (patch + 1) * channels,
                    ],
                    x[0, :, row * 8 + y, column * 8 + x_offset],
                )


@pytest.mark.parametrize(
    'size, patch_size, per_group, expected',
    [
        ((12, 8), (4, 4), 1, (6, 16)),
        ((12, 8), (4, 4), 2, (3, 16)),
        ((13, 11), (4, 4), 4, (2, 16)),  # 6 patches in groups of 4 and 2
        ((3, 20), (8, 8), 1, (2, 24)),  # as high as the map: 3x8
        ((3, 2), (8, 8), 4, (1, 6)),  # one patch
        ((1, 1), (8, 8), 1, (1, 1)),
    ],
)
def test_patch_groups_of_any_size(size, patch_size, per_group, expected):
    x = tokens(2, 3, *size)
    groups = patch_groups(x, patch_size, per_group)
    assert groups.shape == (2, *expected, 3 * per_group)
    assert groups.is_contiguous()


def test_rest_of_the_last_group_is_zero():
    groups = patch_groups(tokens(1, 3, 4, 12) + 10, (4, 4), 2)
    assert groups[0, 0].count_nonzero() == groups[0, 0].numel()
    assert groups[0, 1, :, :3].count_nonzero() == 16 * 3
    assert groups[0, 1, :, 3:].count_nonzero() == 0


def test_groups_do_not_reach_one_another():
    x = tokens(1, 3, 8, 16).requires_grad_()
    query = patch_groups(x, (4, 4), 2)
    target_aware_attention(query, query, query)[:, 1].sum().backward()
    # Group 1 is the third and fourth patch of the first row.
    assert x.grad[:, :, :4, 8:].count_nonzero() == 3 * 4 * 8
    assert x.grad.count_nonzero() == 3 * 4 * 8


@pytest.mark.parametrize(
    'size, per_group, elements, expected',
    [
        ((16, 12), 1, 10**6, [16]),  # small
        ((16, 12), 1, 576, [8, 8]),
        ((18, 13), 1, 1, [4, 4, 4, 6]),  # the last one has the rest
        ((16, 12), 2, 1, [8, 8]),  # two rows of 3 patches are 3 groups
        ((20, 12), 6, 1, [8, 8, 4]),  # the last group is not full
        ((16, 12), 8, 1, [16]),  # groups end at the bottom alone
        ((3, 2), 1, 1, [3]),
    ],
)
def test_strips_end_between_groups(
    size, per_group, elements, expected, monkeypatch
):
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', elements)
    x = tokens(2, 3, *size)
    heights = patch_strips(x, (4, 4), per_group)
    assert heights == expected
    groups = [
        patch_groups(strip, (4, 4), per_group) for strip in x.split(heights, 2)
    ]
    torch.testing.assert_close(
        torch.cat(groups, 1), patch_groups(x, (4, 4), per_group)
    )


@pytest.mark.parametrize(
    'size, stride, expected',
    [
        ((129, 129), (4, 4), 32 * 32),
        ((129, 129), (2, 2), 64 * 64),
        ((5, 9), (2, 3), 2 * 3),
        ((3, 2), (4, 4), 1),
        ((1, 1), (4, 4), 1),
        ((6, 4), (1, 1), 24),
    ],
)
def test_anchor_points_of_any_size(size, stride, expected):
    x = tokens(2, 3, *size)
    anchors = anchor_points(x, stride)
    assert anchors.shape == (2, 1, expected, 3)
    assert anchors.is_contiguous()


def test_anchor_is_the_mean_of_its_window():
    x = tokens(2, 3, 7, 9)
    anchors = anchor_points(x, (2, 4))
    assert anchors.size(2) == 3 * 2
    for row in range(3):
        for column in range(2):
            window = x[
                :, :, 2 * row : 2 * row + 2, 4 * column : 4 * column + 4
            ]
            torch.testing.assert_close(
                anchors[:, 0, 2 * row + column], window.mean((2, 3))
            )


def test_one_to_all_is_a_token_for_each_position():
    x = tokens(2, 3, 5, 7)
    torch.testing.assert_close(
        anchor_points(x, (1, 1)), patch_groups(x, (5, 7), 1)
    )


def test_matches_the_attention_of_stacked_patches():
    """Similarities are summed over the patches of a group."""
    channels = 3
    maps = [tokens(1, channels, 4, 8, seed=i) for i in range(3)]
    together = target_aware_attention(
        *(patch_groups(x, (4, 4), 2) for x in maps)
    )
    query, key, value = (patch_groups(x, (4, 4), 1)[0] for x in maps)
    weights = F.softmax(
        sum(query[i] @ key[i].T for i in range(2)),
        dim=-1,
    )
    for i in range(2):
        torch.testing.assert_close(
            together[0, 0, :, i * channels : (i + 1) * channels],
            weights @ value[i],
        )


def test_wrong_arguments_are_named():
    query = tokens(2, 3, 5, 4)
    with pytest.raises(ValueError, match="'columns'"):
        target_aware_attention(query, query, query, axis='columns')
    with pytest.raises(ValueError, match=r'\(2, 3, 5, 4\).*\(2, 3, 6, 4\)'):
        target_aware_attention(query, tokens(2, 3, 6, 4), query)
    with pytest.raises(ValueError, match=r'\(B, C, H, W\).*\(5, 4\)'):
        patch_groups(tokens(5, 4), (2, 2))
    with pytest.raises(ValueError, match='`patch_size`.*at least 1'):
        patch_groups(query, (0, 2))
    with pytest.raises(ValueError, match='`stride`.*at least 1'):
        anchor_points(query, (2, 0))
