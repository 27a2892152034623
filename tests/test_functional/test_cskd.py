"""The mathematics of CSKD against loops over positions and classes."""

import math

import pytest
import torch
import torch.nn.functional as F

from cankd_mm.functional import cskd


def randn(*shape, seed=0, grad=False):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return x.requires_grad_(grad)


def softmax(values, temperature=1.0):
    powers = [math.exp(v / temperature) for v in values]
    return [power / sum(powers) for power in powers]


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


# The table of the method: linear, x2 and cos at epochs 0, 75, ... of 300.
@pytest.mark.parametrize(
    'schedule, weights',
    [
        ('linear', [1, 0.75, 0.5, 0.25, 0]),
        ('quadratic', [1, 0.5625, 0.25, 0.0625, 0]),
        ('cosine', [1, 0.92388, math.sqrt(0.5), 0.38268, 0]),
    ],
)
def test_weight_falls_from_one_to_zero_as_tabulated(schedule, weights):
    found = [cskd.schedule_weight(step / 4, schedule) for step in range(5)]
    assert found == pytest.approx(weights, abs=5e-6)
    assert found[0] == 1 and found[4] == 0


def test_constant_weight_stays():
    for progress in (0, 0.5, 1):
        assert cskd.schedule_weight(progress, 'constant') == 1


def test_cosine_is_the_cosine_of_a_quarter_turn():
    for step in range(11):
        expected = math.cos(math.pi * step / 20)
        found = cskd.schedule_weight(step / 10, 'cosine')
        assert found == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize('progress', [-0.1, 1.1, float('nan')])
def test_progress_outside_of_the_training_is_named(progress):
    with pytest.raises(ValueError, match='`progress` must lie in'):
        cskd.schedule_weight(progress)


def test_unknown_schedule_is_named():
    with pytest.raises(ValueError, match="`schedule` .* found 'x2'"):
        cskd.schedule_weight(0.5, 'x2')


@pytest.mark.parametrize('schedule', cskd.SCHEDULES)
@pytest.mark.parametrize('progress', [0, 0.3, 1])
def test_fusion_equals_loops_over_positions_and_classes(progress, schedule):
    local = randn(2, 3, 4, 5)
    alpha = cskd.schedule_weight(progress, schedule)
    expected = torch.empty_like(local)
    for b in range(2):
        for k in range(3):
            values = [local[b, k, y, x] for y in range(4) for x in range(5)]
            image = sum(values) / 20
            for y in range(4):
                for x in range(5):
                    own = local[b, k, y, x]
                    expected[b, k, y, x] = alpha * own + (1 - alpha) * image
    found = cskd.cumulative_fusion(local, progress, schedule)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_fusion_starts_with_the_local_and_ends_with_the_global_response():
    local = randn(2, 6, 7, 7)
    assert torch.equal(cskd.cumulative_fusion(local, 0), local)
    last = cskd.cumulative_fusion(local, 1).argmax(1)
    image = local.mean((2, 3)).argmax(1)
    assert torch.equal(last, image[:, None, None].expand_as(last))
    assert not torch.equal(last, local.argmax(1))


def test_response_to_the_image_can_be_given():
    local, image = randn(2, 6, 7, 7), randn(2, 6, 1, 1, seed=1)
    fused = cskd.cumulative_fusion(local, 1, global_logits=image)
    torch.testing.assert_close(fused, image.expand_as(local))


def test_vectors_cannot_be_fused():
    with pytest.raises(ValueError, match=r'\(B, K, h, w\), found \(2, 10\)'):
        cskd.cumulative_fusion(torch.zeros(2, 10), 0.5)


@pytest.mark.parametrize('bias', [True, False])
def test_mean_of_dense_logits_is_what_a_pool_and_fc_head_says(bias):
    feature, weight = randn(2, 8, 7, 5), randn(10, 8, seed=1)
    bias = randn(10, seed=2) if bias else None
    dense = cskd.dense_logits(feature, weight, bias)
    assert dense.shape == (2, 10, 7, 5)
    image = F.linear(feature.mean((2, 3)), weight, bias)
    torch.testing.assert_close(
        dense.mean((2, 3)), image, rtol=1e-12, atol=1e-12
    )
    # And it is not, where something nonlinear follows the pooling.
    bent = F.linear(feature.mean((2, 3)).relu(), weight, bias)
    assert (dense.mean((2, 3)) - bent).abs().max() > 0.1


def test_dense_logits_equal_the_classifier_at_each_position():
    feature, weight, bias = randn(2, 8, 3, 2), randn(4, 8), randn(4, seed=1)
    dense = cskd.dense_logits(feature, weight, bias)
    for b, y, x in [(0, 0, 0), (1, 2, 1), (0, 1, 1)]:
        torch.testing.assert_close(
            dense[b, :, y, x], F.linear(feature[b, :, y, x], weight, bias)
        )


# ------------------------------------------------------------- divergences


def test_hard_divergence_is_the_log_probability_of_the_targets_class():
    student, target = randn(2, 4, 3, 2, grad=True), randn(2, 4, 3, 2, seed=1)
    found = cskd.softmax_divergence(student, target)
    for b in range(2):
        for y in range(3):
            for x in range(2):
                wanted = target[b, :, y, x].tolist()
                label = wanted.index(max(wanted))
                own = softmax(student[b, :, y, x].tolist())
                assert found[b, y, x].item() == pytest.approx(
                    -math.log(own[label]), rel=1e-10
                )


@pytest.mark.parametrize('temperature', [1.0, 2.5])
def test_soft_divergence_is_the_kl_divergence_of_all_classes(temperature):
    student, target = randn(2, 4, 3, 2), randn(2, 4, 3, 2, seed=1)
    found = cskd.softmax_divergence(student, target, False, temperature)
    for b in range(2):
        for y in range(3):
            for x in range(2):
                q = softmax(target[b, :, y, x].tolist(), temperature)
                p = softmax(student[b, :, y, x].tolist(), temperature)
                kl = sum(
                    a * math.log(a / c) for a, c in zip(q, p, strict=True)
                )
                assert found[b, y, x].item() == pytest.approx(
                    temperature**2 * kl, rel=1e-10
                )


@pytest.mark.parametrize('hard', [True, False])
@pytest.mark.parametrize('temperature', [1.0, 2.5])
def test_sigmoid_divergence_is_that_of_each_class(temperature, hard):
    student = randn(2, 4, 3, 2)
    target = randn(2, 4, 3, 2, seed=1).sigmoid()
    found = cskd.sigmoid_divergence(student, target, hard, temperature)
    for b in range(2):
        for y in range(3):
            for x in range(2):
                expected = 0.0
                for k in range(4):
                    q = target[b, k, y, x].item()
                    logit = student[b, k, y, x].item()
                    if hard:
                        p = sigmoid(logit)
                        expected -= math.log(p if q > 0.5 else 1 - p)
                        continue
                    p = sigmoid(logit / temperature)
                    kl = q * math.log(q / p)
                    kl += (1 - q) * math.log((1 - q) / (1 - p))
                    expected += temperature**2 * kl
                assert found[b, y, x].item() == pytest.approx(
                    expected, rel=1e-10
                )


def test_soft_divergence_vanishes_where_student_and_target_agree():
    logits = randn(2, 4, 3, 2)
    softmaxed = cskd.softmax_divergence(logits, logits, False, 3.0)
    target = (logits / 3).sigmoid()
    sigmoided = cskd.sigmoid_divergence(logits, target, False, 3.0)
    for divergence in (softmaxed, sigmoided):
        assert divergence.abs().max() < 1e-14


@pytest.mark.parametrize('value', [0.0, 1.0])
def test_certain_targets_give_finite_values(value):
    target = torch.full((1, 2, 1, 1), value)
    for hard in (True, False):
        for logit in (-200.0, 200.0):
            student = torch.full((1, 2, 1, 1), logit, requires_grad=True)
            divergence = cskd.sigmoid_divergence(student, target, hard)
            divergence.sum().backward()
            assert divergence.isfinite().all()
            assert student.grad.isfinite().all()


# ------------------------------------------------------- grids and presence


@pytest.mark.parametrize(
    'student, teacher, grid',
    [
        ((14, 14), (7, 7), (7, 7)),
        ((7, 7), (7, 7), (7, 7)),
        ((6, 9), (24, 36), (6, 9)),
        ((32, 8), (16, 16), (16, 8)),
    ],
)
def test_finer_grid_is_pooled_to_the_coarser(student, teacher, grid):
    s, t = torch.zeros(1, 1, *student), torch.zeros(1, 1, *teacher)
    assert cskd.common_grid([s], [t]) == grid


def test_grid_of_several_levels_is_that_of_the_finest():
    levels = [torch.zeros(1, 1, 16 // 2**i, 24 // 2**i) for i in range(3)]
    assert cskd.common_grid([torch.zeros(1, 1, 8, 40)], levels) == (8, 24)


def test_pooling_averages_the_positions_of_a_cell():
    x = randn(2, 3, 8, 9)
    pooled = cskd.average_to_grid(x, (4, 3))
    for row in range(4):
        for column in range(3):
            cell = x[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
            torch.testing.assert_close(
                pooled[:, :, row, column], cell.mean((2, 3))
            )
    assert torch.equal(cskd.average_to_grid(x, (8, 9)), x)


def test_pooling_takes_sizes_that_do_not_divide():
    x = randn(2, 3, 65, 49)
    pooled = cskd.average_to_grid(x, (16, 24))
    torch.testing.assert_close(pooled, F.adaptive_avg_pool2d(x, (16, 24)))


def test_presence_is_the_maximum_over_anchors_levels_and_area():
    anchors, classes = 2, 3
    fine = randn(2, anchors * classes, 8, 12)
    same = randn(2, anchors * classes, 4, 6, seed=1)
    coarse = randn(2, anchors * classes, 2, 3, seed=2)
    found = cskd.class_presence([fine, same, coarse], classes, (4, 6))
    for b in range(2):
        for k in range(classes):
            for y in range(4):
                for x in range(6):
                    strongest = max(
                        level[b, a * classes + k, v, u].item()
                        for a in range(anchors)
                        for level, cells in (
                            (
                                fine,
                                [
                                    (2 * y + i, 2 * x + j)
                                    for i in range(2)
                                    for j in range(2)
                                ],
                            ),
                            (same, [(y, x)]),
                            (coarse, [(y // 2, x // 2)]),
                        )
                        for v, u in cells
                    )
                    assert found[b, k, y, x].item() == strongest


def test_cell_is_ignored_if_more_than_half_of_it_is():
    labels = torch.zeros(1, 4, 8, dtype=torch.long)
    labels[0, :2, :4] = 255  # half of the first cell
    labels[0, :, 4:] = 255
    labels[0, 0, 4:] = 1  # a quarter of the second one is known
    assert cskd.valid_cells(labels, (1, 2)).tolist() == [[[True, False]]]
    assert cskd.valid_cells(labels, (1, 2), 1).all()


def test_means_and_maxima_see_the_valid_positions_alone():
    x = randn(2, 3, 2, 2, grad=True)
    valid = torch.tensor([[[True, False], [True, True]], [[False] * 2] * 2])
    known = [(0, 0), (1, 0), (1, 1)]
    mean = cskd.average_image(x, valid)
    strongest = cskd.strongest_in_image(x, valid)
    for k in range(3):
        values = [x[0, k, v, u].item() for v, u in known]
        assert mean[0, k].item() == pytest.approx(sum(values) / 3)
        assert strongest[0, k].item() == max(values)
    # An image without any is 0 and learns nothing.
    assert mean[1].abs().max() == strongest[1].abs().max() == 0
    (mean + strongest).sum().backward()
    assert x.grad[1].abs().max() == 0 and x.grad[0, :, 0, 1].abs().max() == 0
    cells = x[:, 0]
    expected = sum(cells[0, v, u] for v, u in known) / 3
    torch.testing.assert_close(cskd.masked_mean(cells, valid), expected)
    nothing = cskd.masked_mean(cells, torch.zeros_like(valid))
    assert nothing == 0


def test_gradients_equal_finite_differences():
    student = randn(1, 3, 4, 4, grad=True)
    target = randn(1, 3, 4, 4, seed=1)

    def value(s):
        pooled = cskd.average_to_grid(s, (2, 2))
        wanted = cskd.average_to_grid(target, (2, 2))
        soft = cskd.softmax_divergence(pooled, wanted, False, 2.0)
        hard = cskd.softmax_divergence(pooled, wanted)
        each = cskd.sigmoid_divergence(pooled, wanted.sigmoid(), False, 2.0)
        return (soft + hard + each).sum()

    assert torch.autograd.gradcheck(value, (student,))
