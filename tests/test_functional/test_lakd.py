"""LAKD's mathematics against loops."""

import math

import pytest
import torch

from cankd_mm.functional.lakd import (
    activation_map,
    attention_loss,
    coarse_grid,
    feature_and_attention_loss,
    feature_loss,
    spatial_weights,
)


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(
        shape, dtype=torch.float64, generator=generator
    ).requires_grad_()


def _windows(size: int, cells: int) -> list[range]:
    """The positions of each cell in adaptive pooling."""
    return [
        range(i * size // cells, math.ceil((i + 1) * size / cells))
        for i in range(cells)
    ]


def _loop_coarse(feature, grid, a, b):
    """Rows of cells of one image, from nested loops."""
    channels, height, width = feature.shape
    cells = []
    for rows in _windows(height, grid[0]):
        for columns in _windows(width, grid[1]):
            values = [
                sum(abs(feature[c, y, x]) for c in range(channels))
                for y in rows
                for x in columns
            ]
            cells.append(a * sum(values) / len(values) + b * max(values))
    return cells


def _loop_map(feature, grid, a, b):
    """Activation maps of a batch, from nested loops."""
    maps = []
    for image in feature:
        cells = _loop_coarse(image, grid, a, b)
        norm = sum(cell**2 for cell in cells) ** 0.5
        maps.append(torch.stack([cell / norm for cell in cells]))
    return torch.stack(maps)


@pytest.mark.parametrize('grid', [(2, 2), (3, 4), (5, 7)])
@pytest.mark.parametrize('a, b', [(0.5, 0.5), (1.0, 0.0), (0.2, 0.9)])
def test_activation_map_equals_loops_in_value_and_gradient(grid, a, b):
    feature, same = _random(2, 3, 7, 9), _random(2, 3, 7, 9)
    weights = _random(2, grid[0] * grid[1], seed=1).detach()
    ours = activation_map(feature, grid, a, b)
    theirs = _loop_map(same, grid, a, b)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    torch.testing.assert_close(feature.grad, same.grad, rtol=0, atol=1e-10)


def test_activation_map_is_a_non_negative_unit_vector():
    maps = activation_map(_random(3, 5, 8, 8), (4, 4))
    assert maps.shape == (3, 16)
    assert maps.min() >= 0
    torch.testing.assert_close(
        maps.norm(dim=1), torch.ones(3, dtype=torch.float64)
    )


def test_activation_map_does_not_change_when_channels_are_duplicated():
    feature = _random(2, 4, 6, 6)
    torch.testing.assert_close(
        activation_map(feature.repeat(1, 3, 1, 1), (3, 3)),
        activation_map(feature, (3, 3)),
        rtol=0,
        atol=1e-10,
    )


def test_opposite_signs_do_not_cancel():
    feature = torch.ones(1, 2, 4, 4)
    feature[:, 1] = -1
    assert activation_map(feature, (2, 2)).min() > 0


def test_image_without_activation_gives_a_zero_map_and_no_nan():
    feature = torch.zeros(2, 3, 4, 4, requires_grad=True)
    maps = activation_map(feature, (2, 2))
    assert not maps.any()
    attention_loss(feature, torch.ones(2, 5, 4, 4)).backward()
    assert feature.grad.isfinite().all()


def test_tokens_are_an_error_that_names_the_shape():
    with pytest.raises(ValueError, match=r'\(2, 16, 8\)'):
        activation_map(torch.zeros(2, 16, 8), (2, 2))


@pytest.mark.parametrize(
    'student, teacher, grid',
    [
        ((8, 12), (8, 12), (4, 6)),
        ((9, 4), (5, 20), (2, 2)),
        ((3, 3), (3, 3), (2, 2)),
    ],
)
def test_coarse_grid_is_half_the_smaller_one_and_at_least_two(
    student, teacher, grid
):
    s, t = torch.zeros(1, 1, *student), torch.zeros(1, 1, *teacher)
    assert coarse_grid(s, t) == grid == coarse_grid(t, s)


@pytest.mark.parametrize('grids', [((6, 8), (6, 8)), ((6, 8), (9, 5))])
def test_attention_loss_equals_loops_in_value_and_gradient(grids):
    s, t = _random(2, 3, *grids[0]), _random(2, 5, *grids[1], seed=1)
    same = _random(2, 3, *grids[0])
    loss = attention_loss(s, t, 0.3, 0.7)
    grid = coarse_grid(s, t)
    reference = 0.0
    for ours, theirs in zip(
        _loop_map(same, grid, 0.3, 0.7),
        _loop_map(t, grid, 0.3, 0.7),
        strict=True,
    ):
        reference += (
            sum((x - y) ** 2 for x, y in zip(ours, theirs, strict=True)) / 2
        )
    torch.testing.assert_close(loss, reference, rtol=0, atol=1e-10)
    loss.backward()
    reference.backward()
    torch.testing.assert_close(s.grad, same.grad, rtol=0, atol=1e-10)


def test_attention_loss_is_twice_one_minus_the_cosine():
    s, t = _random(1, 3, 8, 8), _random(1, 4, 8, 8, seed=1)
    cosine = torch.cosine_similarity(
        activation_map(s, (4, 4)), activation_map(t, (4, 4))
    )
    torch.testing.assert_close(attention_loss(s, t), (2 - 2 * cosine)[0])


def test_attention_loss_reaches_but_does_not_exceed_two():
    # Active in different corners alone.
    s, t = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    s[..., 0, 0], t[..., 7, 7] = 3.0, 5.0
    torch.testing.assert_close(attention_loss(s, t), torch.tensor(2.0))


def _loop_pool(x, grid):
    return torch.stack(
        [
            torch.stack(
                [
                    x[:, :, rows.start : rows.stop, cols.start : cols.stop]
                    .flatten(2)
                    .mean(2)
                    for cols in _windows(x.size(3), grid[1])
                ],
                2,
            )
            for rows in _windows(x.size(2), grid[0])
        ],
        2,
    )


@pytest.mark.parametrize(
    's_grid, t_grid', [((4, 6), (4, 6)), ((4, 6), (8, 12)), ((8, 6), (4, 9))]
)
def test_feature_loss_is_the_mean_over_elements_of_the_coarser_grid(
    s_grid, t_grid
):
    s, t = _random(2, 3, *s_grid), _random(2, 3, *t_grid, seed=1)
    same = _random(2, 3, *s_grid)
    grid = min(s_grid[0], t_grid[0]), min(s_grid[1], t_grid[1])
    loss = feature_loss(s, t)
    difference = _loop_pool(same, grid) - _loop_pool(t, grid)
    reference = sum(
        difference[b, c, y, x] ** 2
        for b in range(2)
        for c in range(3)
        for y in range(grid[0])
        for x in range(grid[1])
    ) / (2 * 3 * grid[0] * grid[1])
    torch.testing.assert_close(loss, reference, rtol=0, atol=1e-10)
    loss.backward()
    reference.backward()
    torch.testing.assert_close(s.grad, same.grad, rtol=0, atol=1e-10)


def test_weights_stand_for_positions():
    s, t = _random(1, 2, 4, 4), _random(1, 2, 4, 4, seed=1)
    weights = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    weights[..., 1, 2] = 16.0
    torch.testing.assert_close(
        feature_loss(s, t, weights),
        (s - t).square()[..., 1, 2].mean(),
    )


def test_other_channels_are_an_error_that_names_both_shapes():
    with pytest.raises(ValueError, match=r'\(1, 3, 4, 4\).*\(1, 4, 4, 4\)'):
        feature_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, 4))


def test_spatial_weights_have_mean_one_and_follow_the_activation():
    teacher = torch.ones(2, 3, 8, 8)
    teacher[:, :, :4, :4] = 9.0
    weights = spatial_weights(teacher, (16, 16))
    assert weights.shape == (2, 1, 16, 16)
    torch.testing.assert_close(weights.mean((1, 2, 3)), torch.ones(2))
    assert weights[0, 0, 0, 0] > 5 * weights[0, 0, -1, -1]


def test_spatial_weights_of_an_image_without_activation_are_zero():
    assert not spatial_weights(torch.zeros(1, 3, 8, 8), (8, 8)).any()


@pytest.mark.parametrize('same', [True, False])
@pytest.mark.parametrize('t_grid', [(6, 8), (9, 5)])
def test_both_terms_at_once_are_the_terms_on_their_own(same, t_grid):
    s, t = _random(2, 3, 6, 8), _random(2, 3, *t_grid, seed=1).detach()
    projected = s if same else 2 * s
    features, attention = feature_and_attention_loss(s, projected, t, 0.3, 0.7)
    apart = feature_loss(projected, t), attention_loss(s, t, 0.3, 0.7)
    torch.testing.assert_close((features, attention), apart)
    torch.testing.assert_close(
        torch.autograd.grad(3 * features + attention, s, retain_graph=True),
        torch.autograd.grad(3 * apart[0] + apart[1], s),
        rtol=0,
        atol=1e-12,
    )
