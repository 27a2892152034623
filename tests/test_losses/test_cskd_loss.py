"""CSKDLoss against loops over images, cells and classes."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmrazor.registry import MODELS

from cankd_mm.functional import cskd
from cankd_mm.losses import CSKDLoss

PROGRESS = [0.0, 0.25, 0.75, 1.0]


def set_progress(progress):
    hub = MessageHub.get_instance(f'progress {progress}')
    hub.update_info('iter', int(100 * progress))
    hub.update_info('max_iters', 100)


def randn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def student_and_teacher(student, teacher):
    return randn(*student).requires_grad_(), 2 * randn(*teacher, seed=1)


def make_labels(height, width):
    """Mostly known; the second image is nearly all ignored."""
    labels = torch.zeros(2, 1, height, width, dtype=torch.long)
    labels[0, :, : height // 2, : width // 2] = 255
    labels[1, :, :, width // 4 :] = 255
    return labels


# ------------------------------------------------- the loop-written reference


def cells(x, grid, pool):
    """Every cell of a grid that divides the map, one vector each."""
    height, width = x.size(1) // grid[0], x.size(2) // grid[1]
    return {
        (row, column): pool(
            x[
                :,
                row * height : (row + 1) * height,
                column * width : (column + 1) * width,
            ]
        )
        for row in range(grid[0])
        for column in range(grid[1])
    }


def mean(x):
    return torch.stack([x[:, i, j] for i, j in positions(x)]).mean(0)


def strongest(x):
    return torch.stack([x[:, i, j] for i, j in positions(x)]).amax(0)


def positions(x):
    return [(i, j) for i in range(x.size(1)) for j in range(x.size(2))]


def is_known(labels, cell, grid):
    if labels is None:
        return True
    height, width = labels.size(1) // grid[0], labels.size(2) // grid[1]
    row, column = cell
    part = labels[
        0,
        row * height : (row + 1) * height,
        column * width : (column + 1) * width,
    ]
    return 2 * sum(v == 255 for v in part.flatten().tolist()) <= part.numel()


def divergence(s, target, activation, hard, temperature):
    if activation == 'softmax':
        if hard:
            return -s.log_softmax(0)[target.argmax()]
        q = (target / temperature).softmax(0)
        p = (s / temperature).softmax(0)
        return temperature**2 * (q * (q.log() - p.log())).sum()
    if hard:
        p = s.sigmoid()
        terms = [
            -(p[k] if q > 0.5 else 1 - p[k]).log()
            for k, q in enumerate(target)
        ]
        return sum(terms)
    p = (s / temperature).sigmoid()
    kl = target * (target.log() - p.log())
    kl = kl + (1 - target) * ((1 - target).log() - (1 - p).log())
    return temperature**2 * kl.sum()


def reference(
    student,
    teacher,
    labels,
    alpha,
    global_term,
    activation='softmax',
    hard=True,
    temperature=1.0,
):
    pool = mean if activation == 'softmax' else strongest
    settings = (activation, hard, temperature)

    def wanted(logits):
        if activation == 'softmax':
            return logits
        return (logits / (1.0 if hard else temperature)).sigmoid()

    def image(x, own):
        grid = x.shape[1:]
        known = [c for c in positions(x) if is_known(own, c, grid)]
        if not known:
            return None
        stack = torch.stack([x[:, i, j] for i, j in known])
        return stack.mean(0) if activation == 'softmax' else stack.amax(0)

    local, whole = [], []
    for b in range(len(student)):
        s, t = student[b], teacher[b]
        own = None if labels is None else labels[b]
        grid = tuple(min(s.size(d), t.size(d)) for d in (1, 2))
        s_cells, t_cells = cells(s, grid, pool), cells(t, grid, pool)
        t_image, s_image = image(t, own), image(s, own)
        for cell, logits in s_cells.items():
            if not is_known(own, cell, grid):
                continue
            target = wanted(t_cells[cell])
            if global_term == 'fused':
                target = alpha * target + (1 - alpha) * wanted(t_image)
            local.append(divergence(logits, target, *settings))
        if s_image is not None and t_image is not None:
            whole.append(divergence(s_image, wanted(t_image), *settings))
    local = sum(local) / max(len(local), 1)
    if global_term == 'fused':
        return local
    return alpha * local + (1 - alpha) * sum(whole) / max(len(whole), 1)


@pytest.mark.parametrize('progress', PROGRESS)
@pytest.mark.parametrize('with_labels', [False, True])
@pytest.mark.parametrize('hard', [True, False])
@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('global_term', ['fused', 'decoupled'])
@pytest.mark.parametrize(
    'student, teacher',
    [
        ((8, 6), (4, 3)),
        ((4, 3), (4, 3)),
        ((2, 3), (8, 6)),
        ((4, 6), (8, 2)),
    ],
)
def test_equals_loops_over_images_and_cells(
    student, teacher, global_term, activation, hard, with_labels, progress
):
    s, t = student_and_teacher((2, 5, *student), (2, 5, *teacher))
    labels = make_labels(40, 30) if with_labels else None
    settings = dict(
        global_term=global_term,
        activation=activation,
        hard=hard,
        temperature=2.0,
    )
    loss = CSKDLoss(5, schedule='quadratic', loss_weight=3.0, **settings)
    set_progress(progress)
    found = loss(s, t, labels)
    expected = 3 * reference(s, t, labels, (1 - progress) ** 2, **settings)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(found, s),
        torch.autograd.grad(expected, s),
        rtol=1e-10,
        atol=1e-12,
    )


def test_published_loss_is_cross_entropy_with_the_fused_labels():
    # The authors' order: 14x14 patches pooled to 7x7, fusion, argmax, CE.
    s, t = student_and_teacher((2, 10, 14, 14), (2, 10, 7, 7))
    for progress in PROGRESS:
        set_progress(progress)
        fused = (1 - progress) * t
        fused = fused + progress * t.mean((2, 3), keepdim=True)
        expected = F.cross_entropy(F.avg_pool2d(s, 2), fused.argmax(1))
        torch.testing.assert_close(
            CSKDLoss(10)(s, t), expected, rtol=1e-10, atol=0
        )


def test_mmrazors_cross_entropy_is_the_published_loss_behind_the_fusion():
    s, t = student_and_teacher((2, 10, 7, 7), (2, 10, 7, 7))
    theirs = MODELS.build(dict(type='mmrazor.CrossEntropyLoss'))
    torch.testing.assert_close(CSKDLoss(10)(s, t), theirs(s, t))


def test_labels_go_from_the_positions_own_to_the_images():
    _, t = student_and_teacher((1, 1, 1, 1), (2, 6, 7, 7))
    for progress, labels in (
        (0.0, t.argmax(1)),
        (1.0, t.mean((2, 3)).argmax(1)[:, None, None].expand(2, 7, 7)),
    ):
        set_progress(progress)
        right = 100 * F.one_hot(labels, 6).movedim(-1, 1).double()
        assert CSKDLoss(6)(right, t) < 1e-12
        assert CSKDLoss(6)(-right, t) > 50
    assert not torch.equal(t.argmax(1), labels)


def test_decoupled_form_never_asks_a_position_for_the_images_class():
    # At the end the image term sees the mean alone: any student with the
    # teacher's mean is right, wherever it puts the classes.
    s, t = student_and_teacher((2, 6, 8, 8), (2, 6, 8, 8))
    set_progress(1.0)
    loss = CSKDLoss(6, global_term='decoupled', hard=False)
    shift = t.mean((2, 3), keepdim=True) - s.mean((2, 3), keepdim=True)
    assert loss(s + shift, t).abs() < 1e-12
    fused = CSKDLoss(6, global_term='fused', hard=False)
    assert fused(s + shift, t) > 0.1


def test_soft_loss_vanishes_where_student_and_teacher_agree():
    t = randn(2, 6, 8, 8)
    for activation in ('softmax', 'sigmoid'):
        for progress in PROGRESS:
            set_progress(progress)
            loss = CSKDLoss(
                6,
                global_term='decoupled',
                hard=False,
                temperature=3.0,
                activation=activation,
            )
            assert loss(t, t).abs() < 1e-13


# ---------------------------------------------------------------- detection


def test_levels_and_anchors_of_a_detector_are_joined():
    s = randn(2, 3, 4, 6)
    levels = [randn(2, 6, 16 // 2**i, 24 // 2**i, seed=i) for i in range(3)]
    joined = torch.stack(
        [
            F.adaptive_max_pool2d(
                level.view(2, 2, 3, *level.shape[2:])[:, a], (4, 6)
            )
            for level in levels
            for a in range(2)
        ]
    ).amax(0)
    loss = CSKDLoss(
        3, global_term='decoupled', activation='sigmoid', hard=False
    )
    set_progress(0.25)
    torch.testing.assert_close(loss(s, levels), loss(s, joined))
    torch.testing.assert_close(loss((s,), tuple(levels)), loss(s, joined))


@pytest.mark.parametrize('global_term', ['fused', 'decoupled'])
def test_levels_are_pooled_once_where_the_grids_are_shared(
    global_term, monkeypatch
):
    pooled = []
    pool = cskd.class_presence
    monkeypatch.setattr(
        cskd, 'class_presence', lambda *args: pooled.append(1) or pool(*args)
    )
    levels = [randn(1, 6, 8, 8), randn(1, 6, 4, 4)]
    CSKDLoss(3, global_term, activation='sigmoid')(levels, levels)
    assert len(pooled) == 2  # the student's and the teacher's


def test_object_on_any_level_is_present_in_its_cells_alone():
    levels = [torch.full((1, 6, 8, 8), -9.0), torch.full((1, 6, 2, 2), -9.0)]
    levels[0][0, 3 + 1, 5, 0] = 9.0  # the second anchor's class 1
    levels[1][0, 2, 0, 1] = 9.0
    right = torch.full((1, 3, 4, 4), -9.0)
    right[0, 1, 2, 0] = 9.0
    right[0, 2, :2, 2:] = 9.0
    loss = CSKDLoss(3, activation='sigmoid')
    set_progress(0.0)
    assert loss(right, levels) < 1e-2
    for k in range(3):
        for row in range(4):
            for column in range(4):
                wrong = right.clone()
                wrong[0, k, row, column] *= -1
                assert loss(wrong, levels) > 0.5


# ------------------------------------------------------------ ignored pixels


def test_ignored_cells_teach_nothing():
    s, t = student_and_teacher((2, 4, 8, 8), (2, 4, 8, 8))
    labels = torch.zeros(2, 1, 32, 32, dtype=torch.long)
    labels[:, :, :16] = 255
    for global_term in ('fused', 'decoupled'):
        for activation in ('softmax', 'sigmoid'):
            loss = CSKDLoss(4, global_term=global_term, activation=activation)
            set_progress(0.5)
            (gradient,) = torch.autograd.grad(loss(s, t, labels), s)
            assert gradient[:, :, :4].abs().max() == 0
            assert gradient[:, :, 4:].abs().max() > 0
            other = t.clone()
            other[:, :, :4] += 100 * randn(2, 4, 4, 8, seed=2)
            torch.testing.assert_close(
                loss(s, t, labels), loss(s, other, labels)
            )


def test_labels_may_lack_the_channel_and_have_another_ignore_index():
    s, t = student_and_teacher((2, 4, 8, 8), (2, 4, 8, 8))
    labels = make_labels(32, 32)
    value = CSKDLoss(4)(s, t, labels)
    assert value != CSKDLoss(4)(s, t)
    torch.testing.assert_close(CSKDLoss(4)(s, t, labels[:, 0]), value)
    labels[labels == 255] = 7
    torch.testing.assert_close(
        CSKDLoss(4, ignore_index=7)(s, t, labels), value
    )


@pytest.mark.parametrize('global_term', ['fused', 'decoupled'])
@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('hard', [True, False])
@pytest.mark.parametrize('ignored', [False, True])
@pytest.mark.parametrize('student', [(1, 1), (3, 5)])
@pytest.mark.parametrize('dtype', [None, torch.float16, torch.bfloat16])
def test_is_finite_for_the_smallest_input_and_large_logits(
    global_term, activation, hard, ignored, student, dtype
):
    s, t = student_and_teacher((1, 4, *student), (1, 4, 7, 2))
    dtype = dtype or torch.float32
    s = (100 * s).detach().to(dtype).requires_grad_()
    t = (100 * t).to(dtype)
    labels = torch.full((1, 16, 16), 255) if ignored else None
    loss = CSKDLoss(
        4, global_term=global_term, activation=activation, hard=hard
    )
    for progress in PROGRESS:
        set_progress(progress)
        with torch.autocast(
            'cpu', torch.bfloat16, enabled=dtype != torch.float32
        ):
            value = loss(s, t, labels)
        (gradient,) = torch.autograd.grad(value, s)
        assert value.dtype == torch.float32 and value.isfinite()
        assert gradient.isfinite().all()
        if ignored:
            assert value == 0
        exact = loss(s.float(), t.float(), labels)
        torch.testing.assert_close(value, exact, rtol=0, atol=0)


# ---------------------------------------------------------- classifier given


def test_classifiers_of_both_sides_can_be_given():
    s, t = student_and_teacher((2, 8, 14, 14), (2, 12, 7, 7))
    sw, sb = randn(5, 8, seed=2).requires_grad_(), randn(5, seed=3)
    tw, tb = randn(5, 12, seed=4), randn(5, seed=5)
    set_progress(0.5)
    value = CSKDLoss(5)(s, t, s_weight=sw, s_bias=sb, t_weight=tw, t_bias=tb)
    expected = CSKDLoss(5)(
        torch.einsum('kd,bdhw->bkhw', sw, s) + sb[:, None, None],
        torch.einsum('kd,bdhw->bkhw', tw, t) + tb[:, None, None],
    )
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    assert torch.autograd.grad(value, sw)[0].abs().max() > 0
    bare = CSKDLoss(5)(s, t, s_weight=sw, t_weight=tw)
    zeros = torch.zeros_like(sb)
    torch.testing.assert_close(
        bare,
        CSKDLoss(5)(
            s, t, s_weight=sw, s_bias=zeros, t_weight=tw, t_bias=zeros
        ),
    )


def test_classifier_computes_in_float32_under_autocast():
    s, t = randn(2, 8, 4, 4).float(), randn(2, 12, 4, 4).float()
    weights = dict(s_weight=randn(5, 8).float(), t_weight=randn(5, 12).float())
    loss = CSKDLoss(5, hard=False)
    exact = loss(s, t, **weights)
    with torch.autocast('cpu', torch.bfloat16):
        value = loss(s, t, **weights)
    torch.testing.assert_close(value, exact, rtol=0, atol=0)


def test_teacher_gets_no_gradient():
    s, t = student_and_teacher((2, 4, 8, 8), (2, 6, 8, 8))
    t, weight = t.requires_grad_(), randn(4, 6).requires_grad_()
    for global_term in ('fused', 'decoupled'):
        loss = CSKDLoss(4, global_term=global_term, hard=False)
        loss(s, t, t_weight=weight).backward()
    assert t.grad is None and weight.grad is None
    assert s.grad.abs().max() > 0


# -------------------------------------------------------------------- the rest


def test_has_no_parameters_and_no_state():
    loss = CSKDLoss(4)
    assert not list(loss.parameters()) and not loss.state_dict()
    s, t = student_and_teacher((2, 4, 8, 8), (2, 4, 8, 8))
    twin = pickle.loads(pickle.dumps(loss))
    assert torch.equal(twin(s, t), loss(s, t))


def test_zero_weight_keeps_the_student_in_the_graph():
    s, t = student_and_teacher((2, 4, 8, 8), (2, 4, 8, 8))
    value = CSKDLoss(4, loss_weight=0)(s, t)
    assert value == 0
    assert torch.autograd.grad(value, s)[0].abs().max() == 0


def test_shapes_can_be_tried_without_values():
    s = torch.empty(2, 21, 16, 16, device='meta')
    t = torch.empty(2, 21, 64, 64, device='meta')
    for activation in ('softmax', 'sigmoid'):
        loss = CSKDLoss(21, 'decoupled', activation=activation)
        assert loss(s, t).shape == ()


@pytest.mark.parametrize(
    'student, teacher, message',
    [
        ((2, 5, 8, 8), (2, 4, 8, 8), '`s_feature` has shape .2, 5, 8, 8.'),
        ((2, 4, 8, 8), (2, 8, 8, 8), '`t_feature` has shape .2, 8, 8, 8.'),
        ((2, 64, 4), (2, 4, 8, 8), 'expected class logits .B, 4, h, w.'),
        ((2, 4, 8, 8), (3, 4, 8, 8), 'all must hold the same images'),
    ],
)
def test_shapes_that_do_not_fit_are_named(student, teacher, message):
    with pytest.raises(ValueError, match=message):
        CSKDLoss(4)(torch.zeros(student), torch.zeros(teacher))


def test_labels_that_do_not_fit_are_named():
    s = torch.zeros(2, 4, 8, 8)
    with pytest.raises(ValueError, match='`labels` has shape .1, 8, 8.'):
        CSKDLoss(4)(s, s, torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match='`labels` has shape .2, 2, 8, 8.'):
        CSKDLoss(4)(s, s, torch.zeros(2, 2, 8, 8))


def test_several_levels_need_a_sigmoid():
    levels = (torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 4, 4))
    with pytest.raises(ValueError, match='`t_feature` has 2 levels.*data_idx'):
        CSKDLoss(4)(levels[0], levels)
    with pytest.raises(TypeError, match='s_feature'):
        CSKDLoss(4)(None, levels[0])


def test_classifier_that_does_not_fit_is_named():
    s, t = torch.zeros(2, 8, 4, 4), torch.zeros(2, 5, 4, 4)
    for feature in (s, (s, s), s.flatten(2)):
        with pytest.raises(ValueError, match='`s_feature` .* classifier'):
            CSKDLoss(5)(feature, t, s_weight=torch.zeros(5, 9))


@pytest.mark.parametrize(
    'name, value, error',
    [
        ('num_classes', 0, ValueError),
        ('num_classes', 4.0, TypeError),
        ('global_term', 'literal', ValueError),
        ('schedule', 'cos', ValueError),
        ('activation', None, ValueError),
        ('hard', 1, TypeError),
        ('temperature', 0, ValueError),
        ('temperature', float('inf'), ValueError),
        ('loss_weight', -1.0, ValueError),
    ],
)
def test_wrong_arguments_are_named(name, value, error):
    with pytest.raises(error, match=f'`{name}`'):
        CSKDLoss(**{'num_classes': 4, name: value})
