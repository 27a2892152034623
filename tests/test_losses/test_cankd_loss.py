"""CanKDLoss against the formula as printed, and its known properties."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import ModuleDict
from mmrazor.registry import MODELS
from torch.autograd import gradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from cankd_mm.functional import chunks
from cankd_mm.losses import CanKDLoss, cross_non_local
from tests.autocast import BFLOAT16, FLOAT16

BRANCH = ('theta', 'phi', 'g', 'out_proj')


@pytest.fixture(params=['steps', 'chunks', 'covariances'])
def way(request, monkeypatch):
    """Small maps go one of the ways that a level can take."""
    take(request.param, monkeypatch)
    return request.param


def take(way, monkeypatch):
    """Makes every level go one way, in several chunks where it has them."""
    monkeypatch.setattr(chunks, 'CPU_ELEMENTS', 400)
    monkeypatch.setattr(
        cross_non_local, 'SMALL_MAP', 0 if way == 'chunks' else 2**20
    )
    monkeypatch.setattr(
        cross_non_local,
        'POSITIONS_PER_CHANNEL',
        0 if way == 'covariances' else 2**20,
    )


def make_loss(in_channels=6, trained=True, **kwargs):
    """A loss in float64; a trained one has no parameter at 0."""
    torch.manual_seed(0)
    loss = CanKDLoss(in_channels, **kwargs).double()
    if trained:
        for parameter in loss.parameters():
            torch.nn.init.normal_(parameter)
    return loss


def make_features(shape, num_levels=1, seed=1):
    """Correlated student's and teacher's levels in float64."""
    generator = torch.Generator().manual_seed(seed)
    b, c, h, w = shape
    students, teachers = [], []
    for level in range(num_levels):
        size = (b, c, max(h >> level, 2), max(w >> level, 2))
        t = torch.randn(size, generator=generator, dtype=torch.float64)
        s = t + torch.randn(size, generator=generator, dtype=torch.float64)
        students.append((s - 0.5).requires_grad_())
        teachers.append(2 * t + 1)
    return tuple(students), tuple(teachers)


def convolve(x, conv):
    """A 1x1 convolution, written out."""
    weight = conv.weight[:, :, 0, 0]
    bias = conv.bias[None, :, None, None]
    return torch.einsum('oc,bchw->bohw', weight, x) + bias


def pool(x):
    """Max over disjoint 2x2 windows, written out; an odd rest is dropped."""
    h, w = x.size(2) // 2 * 2, x.size(3) // 2 * 2
    windows = [x[..., i:h:2, j:w:2] for i in (0, 1) for j in (0, 1)]
    return torch.stack(windows).amax(0)


def normalise(x, dims, eps=1e-5):
    centred = x - x.mean(dims, keepdim=True)
    return centred / (centred.square().mean(dims, keepdim=True) + eps).sqrt()


def printed_block(block, s, t, sub_sample, use_norm):
    """The block with its M x K affinities, step by step as printed."""
    q, p, v = (
        convolve(s, block.theta),
        convolve(t, block.phi),
        convolve(t, block.g),
    )
    if sub_sample:
        p, v = pool(p), pool(v)
    q, p, v = q.flatten(2), p.flatten(2), v.flatten(2)
    affinity = torch.einsum('bdm,bdk->bmk', q, p) / p.size(2)
    y = torch.einsum('bmk,bdk->bdm', affinity, v)
    r = convolve(y.reshape(*y.shape[:2], *s.shape[2:]), block.out_proj)
    if use_norm:
        gamma = block.out_norm.weight[None, :, None, None]
        beta = block.out_norm.bias[None, :, None, None]
        r = gamma * normalise(r, (0, 2, 3)) + beta
    return r + s


def printed_loss(loss, students, teachers, sub_sample=True, use_norm=True):
    """The authors' weighting: loss_weight 2 mu and half the mean."""
    total = 0
    for block, s, t in zip(loss.levels, students, teachers, strict=True):
        z = printed_block(block, s, t, sub_sample, use_norm)
        error = normalise(z, (2, 3)) - normalise(t, (2, 3))
        total = total + 2 * loss.loss_weight * (error.square() / 2).mean()
    return total


def gradients(value, loss, students):
    """Gradients of all parameters and students' levels, 0 where unused."""
    inputs = [*loss.parameters(), *students]
    found = torch.autograd.grad(value, inputs, allow_unused=True)
    return [
        torch.zeros_like(x) if gradient is None else gradient
        for x, gradient in zip(inputs, found, strict=True)
    ]


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor made."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for x in output if isinstance(output, (tuple, list)) else (output,):
            if isinstance(x, torch.Tensor):
                self.numel = max(self.numel, x.numel())
        return output


# The 4x4 maps of 64 channels take the quadratic order, the others the linear.
@pytest.mark.parametrize('use_norm', [True, False])
@pytest.mark.parametrize('sub_sample', [True, False])
@pytest.mark.parametrize(
    'shape, num_levels',
    [
        ((2, 6, 8, 10), 1),
        ((3, 5, 7, 9), 1),
        ((1, 4, 5, 2), 1),
        ((2, 64, 4, 4), 1),
        ((2, 6, 12, 17), 3),
    ],
)
def test_equals_the_printed_formula(
    shape, num_levels, sub_sample, use_norm, way
):
    switches = dict(sub_sample=sub_sample, use_norm=use_norm)
    loss = make_loss(shape[1], num_levels=num_levels, **switches)
    students, teachers = make_features(shape, num_levels)
    value = loss(students, teachers)
    printed = printed_loss(loss, students, teachers, **switches)
    torch.testing.assert_close(value, printed, rtol=1e-10, atol=0)
    for found, expected in zip(
        gradients(value, loss, students),
        gradients(printed, loss, students),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_gradients_equal_finite_differences(way):
    loss = make_loss(4, inter_channels=3)
    (student,), (teacher,) = make_features((2, 4, 5, 6))
    parameters = dict(loss.named_parameters())

    def value(s, *values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(loss, named, (s, teacher))

    assert gradcheck(value, (student, *parameters.values()))


@pytest.mark.parametrize('use_norm', [True, False])
def test_block_is_the_identity_at_initialisation(use_norm):
    loss = make_loss(trained=False, use_norm=use_norm)
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    assert torch.equal(loss.levels[0](student, teacher), student)


@pytest.mark.parametrize('use_norm', [True, False])
def test_equals_instance_norm_mse_at_initialisation(use_norm, way):
    loss = make_loss(trained=False, use_norm=use_norm, loss_weight=3.0)
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    value = loss(student, teacher)
    bare = 3.0 * F.mse_loss(F.instance_norm(student), F.instance_norm(teacher))
    torch.testing.assert_close(value, bare, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(value, student),
        torch.autograd.grad(bare, student),
        rtol=1e-12,
        atol=1e-15,
    )


def test_the_authors_ten_is_our_five():
    loss = CanKDLoss(6)
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    student, teacher = student.float().detach(), teacher.float()
    half_mse = 0.5 * F.mse_loss(
        F.instance_norm(student), F.instance_norm(teacher)
    )
    torch.testing.assert_close(loss(student, teacher), 10 * half_mse)


def test_only_gamma_moves_at_the_first_step(way):
    loss = make_loss(trained=False)
    loss(*make_features((2, 6, 8, 10))).backward()
    block = loss.levels[0]
    for name in BRANCH:
        for parameter in getattr(block, name).parameters():
            assert parameter.grad.count_nonzero() == 0, name
    assert block.out_norm.weight.grad.abs().min() > 1e-6


def test_only_the_last_weight_moves_at_the_first_step_without_norm():
    loss = make_loss(trained=False, use_norm=False)
    loss(*make_features((2, 6, 8, 10))).backward()
    block = loss.levels[0]
    for name in ('theta', 'phi', 'g'):
        for parameter in getattr(block, name).parameters():
            assert parameter.grad.count_nonzero() == 0, name
    assert block.out_proj.weight.grad.abs().max() > 1e-6


def test_whole_branch_moves_after_the_first_step(way):
    loss = make_loss(trained=False)
    features = make_features((2, 6, 8, 10))
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    loss(*features).backward()
    optimizer.step()
    optimizer.zero_grad()
    loss(*features).backward()
    for name in BRANCH:
        weight = getattr(loss.levels[0], name).weight
        assert weight.grad.abs().max() > 1e-9, name


@pytest.mark.parametrize(
    'batch, use_norm, dead',
    [
        (2, True, ('out_proj.bias', 'out_norm.bias')),
        (1, True, ('out_proj.bias', 'out_norm.bias', 'theta.bias')),
        (2, False, ('out_proj.bias', 'theta.bias')),
    ],
)
def test_parameters_that_normalisation_cancels_stay(batch, use_norm, dead):
    loss = make_loss(use_norm=use_norm)
    loss(*make_features((batch, 6, 8, 10))).backward()
    for name, parameter in loss.levels[0].named_parameters():
        moves = parameter.grad.abs().max() > 1e-12
        assert moves == (name not in dead), name


def test_learning_lowers_the_loss_through_the_branch_alone():
    torch.manual_seed(0)
    loss = CanKDLoss(8)
    student, teacher = torch.randn(2, 2, 8, 10, 12)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.01)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(student, teacher)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.98 * values[0]


def test_branch_ignores_where_the_teacher_saw_something():
    block = make_loss(sub_sample=False).levels[0]
    (student,), (teacher,) = make_features((2, 6, 5, 7))
    order = torch.randperm(35, generator=torch.Generator().manual_seed(0))
    shuffled = teacher.flatten(2)[..., order].view_as(teacher)
    torch.testing.assert_close(
        block(student, shuffled),
        block(student, teacher),
        rtol=1e-12,
        atol=1e-12,
    )


def test_branch_sees_the_second_moments_of_the_teacher_alone():
    # A reflection of the positions that keeps the constant map keeps them.
    block = make_loss(sub_sample=False).levels[0]
    (student,), (teacher,) = make_features((2, 6, 5, 7))
    generator = torch.Generator().manual_seed(0)
    axis = torch.randn(35, generator=generator, dtype=torch.float64)
    axis = F.normalize(axis - axis.mean(), dim=0)
    flat = teacher.flatten(2)
    mirrored = flat - 2 * (flat @ axis)[..., None] * axis
    assert not torch.allclose(mirrored, flat)
    torch.testing.assert_close(
        block(student, mirrored.view_as(teacher)),
        block(student, teacher),
        rtol=1e-11,
        atol=1e-11,
    )


def test_positions_of_the_student_do_not_mix():
    # Without BatchNorm, whose statistics join all positions.
    block = make_loss(use_norm=False).levels[0]
    (student,), (teacher,) = make_features((2, 6, 5, 7))
    changed = student.detach().clone()
    changed[:, :, 2, 3] += 1
    moved = block(student, teacher) != block(changed, teacher)
    expected = torch.zeros_like(moved)
    expected[:, :, 2, 3] = True
    assert torch.equal(moved, expected)


def test_norm_absorbs_the_scale_of_the_branch(way):
    loss = make_loss()
    loss.levels[0].out_norm.eps = 1e-60
    features = make_features((2, 6, 8, 10))
    before = loss(*features)
    with torch.no_grad():
        loss.levels[0].g.weight.mul_(4)
        loss.levels[0].g.bias.mul_(4)
    torch.testing.assert_close(loss(*features), before, rtol=1e-12, atol=0)


def test_levels_are_summed_and_have_blocks_of_their_own():
    loss = make_loss(num_levels=2)
    students, teachers = make_features((2, 6, 8, 10), num_levels=2)
    expected = 0
    for index in range(2):
        single = make_loss()
        single.levels[0].load_state_dict(loss.levels[index].state_dict())
        expected = expected + single(students[index], teachers[index])
    torch.testing.assert_close(
        loss(students, teachers), expected, rtol=1e-12, atol=0
    )
    shared = {id(p) for p in loss.levels[0].parameters()}
    assert shared.isdisjoint(id(p) for p in loss.levels[1].parameters())


def test_longer_tuples_are_used_from_their_start():
    loss = make_loss(num_levels=2)
    students, teachers = make_features((2, 6, 16, 16), num_levels=4)
    torch.testing.assert_close(
        loss(students, list(teachers)), loss(students[:2], teachers[:2])
    )


def test_single_tensor_counts_as_one_level():
    loss = make_loss()
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    torch.testing.assert_close(
        loss(student, teacher), loss((student,), (teacher,))
    )


def test_teacher_gets_no_gradient(way):
    loss = make_loss()
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    source = teacher.clone().requires_grad_()
    loss(student, 2 * source).backward()
    assert source.grad is None
    assert student.grad.abs().max() > 0


def test_forms_nothing_larger_than_the_feature_map(way):
    loss = CanKDLoss(8)
    student, teacher = torch.randn(2, 2, 8, 24, 20)
    student.requires_grad_()
    with LargestTensor() as largest:
        loss(student, teacher).backward()
    assert largest.numel == student.numel()


@pytest.mark.parametrize('shape', [(2, 16, 12, 14), (2, 32, 5, 8)])
@pytest.mark.parametrize('dtype', [FLOAT16, BFLOAT16])
def test_autocast_changes_nothing(shape, dtype, way):
    # Large features: a product of three of them overflows float16.
    torch.manual_seed(0)
    loss = CanKDLoss(shape[1])
    torch.nn.init.ones_(loss.levels[0].out_norm.weight)
    student, teacher = 100 * torch.randn(2, *shape).to(dtype)
    student.requires_grad_()
    with torch.autocast('cpu', dtype=dtype):
        value = loss(student, teacher)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert student.grad.isfinite().all()
    expected = loss(student.detach().float(), teacher.float())
    torch.testing.assert_close(value, expected, rtol=0, atol=0)


@pytest.mark.parametrize('use_norm', [True, False])
@pytest.mark.parametrize('way', ['chunks', 'covariances'])
def test_far_from_zero_the_digits_are_kept(way, use_norm, monkeypatch):
    take(way, monkeypatch)
    # Without norm there is one way for large maps and one for small ones.
    monkeypatch.setattr(cross_non_local, 'SMALL_MAP', 0)
    generator = torch.Generator().manual_seed(0)
    mean = 100 * torch.randn(2, 1, 16, 1, 1, generator=generator)
    noise = torch.randn(2, 2, 16, 64, 64, generator=generator)
    torch.manual_seed(0)
    loss = CanKDLoss(16, use_norm=use_norm)
    block = loss.levels[0]
    last = block.out_norm if use_norm else block.out_proj
    torch.nn.init.normal_(last.weight, std=0.3 if use_norm else 1e-5)
    exact = copy.deepcopy(loss).double()
    loss(*(mean + noise)).backward()
    exact(*(mean + noise).double()).backward()
    for name in ('theta', 'phi'):
        found, expected = (
            getattr(x.levels[0], name).weight.grad for x in (loss, exact)
        )
        error = (found - expected).norm() / expected.norm()
        assert error < 2e-3, name


@pytest.mark.parametrize('dtype', [torch.float32, BFLOAT16])
def test_a_loss_in_float64_takes_other_features(dtype, way):
    loss = make_loss().double()
    s, t = (x.detach().to(dtype) for (x,) in make_features((2, 6, 8, 10)))
    value = loss(s.requires_grad_(), t)
    value.backward()
    assert value.dtype == torch.float64
    assert s.grad.dtype == dtype
    torch.testing.assert_close(
        value, loss(s.double(), t.double()), rtol=1e-12, atol=0
    )


def test_large_maps_keep_less_than_one_copy_for_the_backward_pass():
    loss = CanKDLoss(8)
    student, teacher = torch.randn(2, 2, 8, 400, 200)
    student.requires_grad_()
    kept = {}

    def keep(x):
        kept[x.data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss(student, teacher)
    for given in (student, teacher):
        assert kept.pop(given.data_ptr())
    assert sum(kept.values()) < student.untyped_storage().nbytes()


@pytest.mark.parametrize('way', ['chunks', 'covariances'])
@pytest.mark.parametrize('steps', [1, 3])
def test_running_statistics_are_those_of_batch_norm(steps, way, monkeypatch):
    found = {}
    features = make_features((2, 6, 8, 10))
    for name in ('steps', way):
        take(name, monkeypatch)
        loss = make_loss()
        for _ in range(steps):
            loss(*features)
        found[name] = dict(loss.named_buffers())
    torch.testing.assert_close(
        found[way], found['steps'], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize('tracked', [True, False])
def test_norms_without_a_moving_average_go_step_by_step(
    tracked, way, monkeypatch
):
    loss = make_loss()
    norm = torch.nn.BatchNorm2d(6, momentum=None, track_running_stats=tracked)
    norm.double().load_state_dict(
        loss.levels[0].out_norm.state_dict(), strict=False
    )
    loss.levels[0].out_norm = norm
    features = make_features((2, 6, 8, 10))
    for _ in range(2):
        value = loss(*features)
    torch.testing.assert_close(value, printed_loss(loss, *features))
    if tracked:
        assert norm.num_batches_tracked == 2


def test_evaluation_uses_the_running_statistics(way):
    loss = make_loss().eval()
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    enriched = loss.levels[0](student, teacher)
    expected = F.mse_loss(F.instance_norm(enriched), F.instance_norm(teacher))
    torch.testing.assert_close(
        loss(student, teacher), 5 * expected, rtol=1e-12, atol=0
    )


def test_shapes_can_be_tried_without_values():
    with torch.device('meta'):
        loss = CanKDLoss(256, num_levels=2)
        levels = torch.empty(2, 256, 200, 336), torch.empty(2, 256, 100, 168)
    assert loss(levels, levels).shape == ()


def test_weight_scales_the_loss_and_zero_keeps_it_in_the_graph():
    loss = make_loss(loss_weight=0)
    (student,), (teacher,) = make_features((2, 6, 8, 10))
    value = loss(student, teacher)
    value.backward()
    assert value == 0
    assert all(p.grad is not None for p in loss.parameters())
    assert student.grad.count_nonzero() == 0


def test_state_dict_has_the_stated_names():
    keys = set(CanKDLoss(4, num_levels=2).state_dict())
    expected = {
        f'levels.{level}.{name}.{kind}'
        for level in range(2)
        for name in (*BRANCH, 'out_norm')
        for kind in ('weight', 'bias')
    } | {
        f'levels.{level}.out_norm.{name}'
        for level in range(2)
        for name in ('running_mean', 'running_var', 'num_batches_tracked')
    }
    assert keys == expected
    without_norm = CanKDLoss(4, use_norm=False)
    assert not hasattr(without_norm.levels[0], 'out_norm')
    assert set(without_norm.state_dict()) == {
        f'levels.0.{name}.{kind}'
        for name in BRANCH
        for kind in ('weight', 'bias')
    }


@pytest.mark.parametrize(
    'in_channels, parameters', [(256, 132_224), (2048, 8_397_824)]
)
def test_parameter_count(in_channels, parameters):
    with torch.device('meta'):
        loss = CanKDLoss(in_channels)
    assert sum(p.numel() for p in loss.parameters()) == parameters


@pytest.mark.parametrize('in_channels, inter_channels', [(7, 3), (1, 1)])
def test_embeddings_have_half_the_channels(in_channels, inter_channels):
    block = CanKDLoss(in_channels).levels[0]
    assert block.theta.weight.shape == (inter_channels, in_channels, 1, 1)
    assert CanKDLoss(4, 9).levels[0].g.out_channels == 9


@pytest.mark.parametrize(
    'clone', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_compute_the_same(clone):
    loss = make_loss(num_levels=2)
    features = make_features((2, 6, 8, 10), num_levels=2)
    value = loss(*features)
    torch.testing.assert_close(clone(loss)(*features), value, rtol=0, atol=0)


@pytest.mark.parametrize('use_norm', [True, False])
def test_zero_start_survives_init_weights(use_norm):
    cfg = dict(type='CanKDLoss', in_channels=6, use_norm=use_norm)
    distiller = MODELS.build(
        dict(type='ConfigurableDistiller', distill_losses=dict(loss=cfg))
    )
    distiller.init_weights()
    # MMRazor's plain ModuleDict stops the recursion; this one does not.
    loss = distiller.distill_losses['loss']
    ModuleDict(dict(loss=loss)).init_weights()
    block = loss.levels[0]
    last = block.out_norm if use_norm else block.out_proj
    assert last.weight.count_nonzero() == 0
    assert last.bias.count_nonzero() == 0
    assert block.theta.weight.count_nonzero() > 0


@pytest.mark.parametrize(
    'student, teacher, hint',
    [
        ((2, 6, 8, 8), (3, 6, 8, 8), 'same images'),
        ((2, 5, 8, 8), (2, 6, 8, 8), '6 channels'),
        ((2, 6, 8, 8), (2, 12, 8, 8), 'ProjectionConnector'),
        ((2, 6, 8, 8), (2, 6, 4, 4), 'ResizeConnector'),
        ((2, 64, 6), (2, 64, 6), 'connector'),
        ((2, 6, 1, 8), (2, 6, 1, 8), 'sub_sample=False'),
        ((2, 6, 1, 1), (2, 6, 1, 1), 'lower `num_levels`'),
    ],
)
def test_shapes_that_do_not_fit_are_named(student, teacher, hint):
    loss = CanKDLoss(6, num_levels=2)
    good = torch.zeros(2, 6, 8, 8)
    with pytest.raises(ValueError) as error:
        loss((good, torch.zeros(student)), (good, torch.zeros(teacher)))
    message = str(error.value)
    assert 'level 1' in message
    assert f's_feature` has shape {student}' in message
    assert f't_feature` has shape {teacher}' in message
    assert hint in message


@pytest.mark.parametrize('sub_sample', [True, False])
def test_single_position_is_named_with_a_hint_that_helps(sub_sample):
    x = torch.zeros(2, 6, 1, 1)
    with pytest.raises(ValueError, match='single position') as error:
        CanKDLoss(6, sub_sample=sub_sample)(x, x)
    assert 'sub_sample' not in str(error.value)


def test_smallest_map_can_be_pooled():
    value = CanKDLoss(6)(torch.randn(2, 6, 2, 3), torch.randn(2, 6, 2, 3))
    assert value.isfinite()


def test_too_few_levels_are_named():
    levels = (torch.zeros(2, 6, 8, 8),) * 3
    with pytest.raises(ValueError, match='`t_feature` has 2 .*num_levels.* 3'):
        CanKDLoss(6, num_levels=3)(levels, levels[:2])
    with pytest.raises(ValueError, match='`s_feature` has 1 '):
        CanKDLoss(6, num_levels=2)(levels[0], levels)


@pytest.mark.parametrize('feature', [None, dict(), ((torch.zeros(1),),)])
def test_features_that_are_no_tensors_are_named(feature):
    with pytest.raises(TypeError, match='s_feature.*must be a tensor'):
        CanKDLoss(6)(feature, torch.zeros(2, 6, 8, 8))


@pytest.mark.parametrize(
    'name, value, error',
    [
        ('in_channels', 0, ValueError),
        ('in_channels', (256, 512), TypeError),
        ('inter_channels', 0, ValueError),
        ('num_levels', 0, ValueError),
        ('num_levels', 2.0, TypeError),
        ('num_levels', True, TypeError),
        ('sub_sample', 2, TypeError),
        ('use_norm', 'BN', TypeError),
        ('loss_weight', -1.0, ValueError),
        ('loss_weight', float('nan'), ValueError),
        ('loss_weight', '5', TypeError),
    ],
)
def test_wrong_arguments_are_named(name, value, error):
    with pytest.raises(error, match=f'`{name}`'):
        CanKDLoss(**{'in_channels': 4, name: value})
