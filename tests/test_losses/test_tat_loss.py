"""TaTLoss against loops over patches and positions, and its properties."""

import copy

import pytest
import torch
from mmrazor.registry import MODELS

from cankd_mm.functional import chunks
from cankd_mm.losses import TaTLoss
from tests.autocast import BFLOAT16, FLOAT16


def make_loss(student=3, teacher=4, **kwargs):
    """A loss in float64 whose affine parts are not the identity."""
    torch.manual_seed(0)
    loss = TaTLoss(student, teacher, **kwargs).double()
    for parameter in loss.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter)
    return loss


def make_feature(b, c, h, w, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, h, w, generator=generator, dtype=torch.float64)


def make_pair(b=2, h=9, w=14, student=3, teacher=4):
    return (
        make_feature(b, student, h, w).requires_grad_(),
        make_feature(b, teacher, h, w, seed=1),
    )


# ---------------------------------------------------- the formula by loops


def embed_by_loops(x, embedding):
    """1x1 convolution, then mean 0 and variance 1 of each image's channel."""
    weight = embedding.conv.weight[:, :, 0, 0]
    out = torch.einsum('oc,bchw->bohw', weight, x)
    images = []
    for image in out:
        channels = []
        for channel, gamma, beta in zip(
            image, embedding.norm.weight, embedding.norm.bias, strict=True
        ):
            centred = channel - channel.mean()
            deviation = (centred.square().mean() + 1e-5).sqrt()
            channels.append(gamma * centred / deviation + beta)
        images.append(torch.stack(channels))
    return torch.stack(images)


def attend_by_loops(q, k, v, axis):
    """Lists of token vectors in, list of token vectors out."""
    out = []
    for i in range(len(q)):
        similarity = torch.stack(
            [
                q[i] @ k[j] if axis == 'teacher' else k[i] @ q[j]
                for j in range(len(q))
            ]
        )
        weight = similarity.exp() / similarity.exp().sum()
        out.append(sum(weight[j] * v[j] for j in range(len(v))))
    return out


def windows(x, size):
    """Size and top left corners of the whole windows, row by row."""
    height, width = (min(a, b) for a, b in zip(size, x.shape[2:], strict=True))
    return (height, width), [
        (top, left)
        for top in range(0, x.size(2) - height + 1, height)
        for left in range(0, x.size(3) - width + 1, width)
    ]


def patch_term_by_loops(q, k, v, t, patch_size, per_group, axis):
    (height, width), patches = windows(t, patch_size)
    groups = [
        patches[first : first + per_group]
        for first in range(0, len(patches), per_group)
    ]
    total, count = 0, 0
    for image in range(len(t)):
        for group in groups:
            maps = []
            for x in (q, k, v, t):
                maps.append(
                    [
                        torch.cat(
                            [
                                x[image, :, top + i, left + j]
                                for top, left in group
                            ]
                        )
                        for i in range(height)
                        for j in range(width)
                    ]
                )
            out = attend_by_loops(*maps[:3], axis)
            for ours, theirs in zip(out, maps[3], strict=True):
                total = total + ((ours - theirs) ** 2).sum()
                count += theirs.numel()
    return total / count


def anchor_term_by_loops(q, k, v, t, stride, axis):
    (height, width), corners = windows(t, stride)
    total, count = 0, 0
    for image in range(len(t)):
        maps = [
            [
                x[image, :, top : top + height, left : left + width].mean(
                    (1, 2)
                )
                for top, left in corners
            ]
            for x in (q, k, v, t)
        ]
        out = attend_by_loops(*maps[:3], axis)
        for ours, theirs in zip(out, maps[3], strict=True):
            total = total + ((ours - theirs) ** 2).sum()
            count += theirs.numel()
    return total / count


def loss_by_loops(loss, s, t, patch_size, per_group, stride, axis):
    level = loss.levels[0]
    q = embed_by_loops(s, level.query)
    k = embed_by_loops(t, level.key)
    v = embed_by_loops(s, level.value)
    total = 0
    if patch_size:
        total = total + loss.patch_weight * patch_term_by_loops(
            q, k, v, t, patch_size, per_group, axis
        )
    if stride:
        total = total + loss.anchor_weight * anchor_term_by_loops(
            q, k, v, t, stride, axis
        )
    if not patch_size and not stride:
        total = anchor_term_by_loops(q, k, v, t, (1, 1), axis)
    return loss.loss_weight * total


@pytest.fixture(params=[False, True], ids=['at once', 'in strips'])
def strips(request, monkeypatch):
    """Patches of small maps are taken as those of large ones."""
    if request.param:
        monkeypatch.setattr(chunks, 'CPU_ELEMENTS', 1)
    return request.param


@pytest.mark.parametrize('axis', ['teacher', 'student'])
@pytest.mark.parametrize('per_group', [1, 2, 4])
@pytest.mark.parametrize(
    'size, patch_size, stride',
    [
        pytest.param((8, 12), (4, 4), (2, 3), id='both'),
        pytest.param((8, 12), (4, 4), None, id='patches'),
        pytest.param((9, 14), (4, 3), (4, 4), id='both, sizes with a rest'),
        pytest.param((7, 11), (3, 3), None, id='groups with a rest'),
        pytest.param((3, 5), (8, 8), (4, 4), id='one patch, one anchor'),
        pytest.param((9, 7), None, (2, 2), id='anchors'),
        pytest.param((5, 7), None, None, id='one to all'),
    ],
)
def test_equals_the_loops(size, patch_size, stride, per_group, axis, strips):
    loss = make_loss(
        patch_size=patch_size,
        patches_per_group=per_group,
        anchor_stride=stride,
        patch_weight=1.6,
        anchor_weight=0.64,
        axis=axis,
        loss_weight=1.5,
    )
    s, t = make_pair(2, *size)
    inputs = [s, *loss.parameters()]
    ours = loss(s, t)
    theirs = loss_by_loops(loss, s, t, patch_size, per_group, stride, axis)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    for a, b in zip(
        torch.autograd.grad(ours, inputs),
        torch.autograd.grad(theirs, inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_large_maps_keep_no_tokens():
    loss = TaTLoss(8, 8, patch_size=(4, 4))
    s, t = torch.randn(2, 1, 8, 512, 512)
    s.requires_grad_()
    kept = {}

    def keep(x):
        storage = x.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss(s, t)
    # Features, and in front of the norms query, key and value.
    assert sum(kept.values()) < 5.5 * t.untyped_storage().nbytes()


# ------------------------------------------------------------- embeddings


def test_instance_norm_is_batch_norm_of_each_image_alone():
    """What the authors' code does, image by image."""
    s, t = make_pair(3)
    instance = make_loss()
    batch = make_loss(embed_norm='batch')
    batch.load_state_dict(instance.state_dict(), strict=False)
    each = [batch(s[i : i + 1], t[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(instance(s, t), sum(each) / 3)
    assert not torch.allclose(instance(s, t), batch(s, t))


@pytest.mark.parametrize('norm', ['instance', 'batch'])
@pytest.mark.parametrize(
    'kwargs',
    [dict(), dict(patch_size=None, anchor_stride=None)],
    ids=['defaults', 'one to all'],
)
def test_one_image_gets_the_gradients_that_it_gets_twice(kwargs, norm):
    """Torch's norms take the backward pass of one image another way."""
    loss = make_loss(embed_norm=norm, **kwargs)
    s, t = make_pair(1, 8, 8)
    inputs = [s, *loss.parameters()]
    once, twice = (
        torch.autograd.grad(
            loss(s.expand(b, -1, -1, -1), t.expand(b, -1, -1, -1)), inputs
        )
        for b in (1, 2)
    )
    torch.testing.assert_close(once, twice, rtol=1e-10, atol=1e-12)


def test_raw_key_is_the_classification_form():
    loss = make_loss(
        embed_key=False,
        embed_kernel_size=3,
        patch_size=None,
        anchor_stride=None,
    )
    s, t = make_pair(1, 3, 4)
    level = loss.levels[0]
    q, v = level.query(s), level.value(s)
    assert level.query.conv.kernel_size == (3, 3)
    torch.testing.assert_close(
        loss(s, t), anchor_term_by_loops(q, t, v, t, (1, 1), 'teacher')
    )


def test_embeddings_without_norm_have_a_bias():
    loss = TaTLoss(3, 4, embed_norm=None)
    names = {name for name, _ in loss.named_parameters()}
    assert names == {
        f'levels.0.{part}.conv.{kind}'
        for part in ('query', 'key', 'value')
        for kind in ('weight', 'bias')
    }


def test_parameters_of_the_published_segmentation_form():
    loss = TaTLoss(256, 256)
    assert sum(p.numel() for p in loss.parameters()) == 198_144


@pytest.mark.parametrize('norm', ['instance', 'batch', None])
def test_every_parameter_and_the_student_get_a_gradient(norm):
    loss = make_loss(embed_norm=norm)
    s, t = make_pair()
    loss(s, t).backward()
    assert s.grad.abs().max() > 0
    for name, parameter in loss.named_parameters():
        assert parameter.grad is not None, name
    for part in ('query', 'key', 'value'):
        embedding = getattr(loss.levels[0], part)
        assert embedding.conv.weight.grad.abs().max() > 0, part


# ------------------------------------------------------------------ levels


def test_levels_are_summed_and_have_embeddings_of_their_own():
    loss = make_loss(num_levels=2, patch_size=[(4, 4), None])
    pairs = [make_pair(2, 9, 14), make_pair(2, 4, 7)]
    students, teachers = zip(*pairs, strict=True)
    first = make_loss(patch_size=(4, 4))
    first.levels[0].load_state_dict(loss.levels[0].state_dict())
    second = make_loss(patch_size=None)
    second.levels[0].load_state_dict(loss.levels[1].state_dict())
    torch.testing.assert_close(
        loss(students, teachers), first(*pairs[0]) + second(*pairs[1])
    )
    shared = {id(p) for p in loss.levels[0].parameters()}
    assert shared.isdisjoint(id(p) for p in loss.levels[1].parameters())


def test_longer_tuples_are_used_from_their_start():
    loss = make_loss()
    pairs = [make_pair(2, 9, 14), make_pair(2, 4, 7)]
    students, teachers = zip(*pairs, strict=True)
    torch.testing.assert_close(loss(students, teachers), loss(*pairs[0]))


def test_too_few_levels_are_named():
    with pytest.raises(ValueError, match='`s_feature` has 1 level.*is 2'):
        make_loss(num_levels=2)(*make_pair())


# ---------------------------------------------------------------- numerics


@pytest.mark.parametrize('dtype', [torch.float32, FLOAT16, BFLOAT16])
@pytest.mark.parametrize('norm', ['instance', 'batch', None])
@pytest.mark.parametrize(
    'size', [(1, 1), (1, 2), (3, 1), (2, 2), (7, 8), (8, 9), (17, 5)]
)
def test_any_map_gives_a_finite_loss_that_trains(size, norm, dtype):
    torch.manual_seed(0)
    loss = TaTLoss(3, 4, patches_per_group=2, embed_norm=norm)
    s = torch.randn(1, 3, *size, dtype=dtype, requires_grad=True)
    t = torch.randn(1, 4, *size, dtype=dtype)
    half = dtype != torch.float32
    with torch.autocast('cpu', dtype=dtype if half else None, enabled=half):
        value = loss(s, t)
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite() and value > 0
    assert s.grad.isfinite().all()
    gradients = [p.grad for p in loss.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    # What is compared depends on the student, even on a single position.
    assert s.grad.abs().max() > 0


@pytest.mark.parametrize('dtype', [FLOAT16, BFLOAT16])
def test_autocast_changes_nothing(dtype, strips):
    loss = TaTLoss(3, 4)
    s, t = (x.detach().to(dtype) for x in make_pair())
    with torch.autocast('cpu', dtype=dtype):
        under = loss(100 * s, 100 * t)
    torch.testing.assert_close(
        under, loss((100 * s).float(), (100 * t).float()), rtol=0, atol=0
    )


def test_constant_maps_give_finite_gradients():
    loss = TaTLoss(3, 4)
    s = torch.zeros(2, 3, 9, 9, requires_grad=True)
    loss(s, torch.zeros(2, 4, 9, 9)).backward()
    assert s.grad.isfinite().all()


def test_learning_lowers_the_loss():
    loss = make_loss(student=4)
    s, t = make_pair(student=4)
    start = loss(s, t).item()
    optimizer = torch.optim.SGD([s, *loss.parameters()], lr=1.0)
    for _ in range(20):
        optimizer.zero_grad()
        loss(s, t).backward()
        optimizer.step()
    assert loss(s, t) < 0.9 * start


def test_teacher_gets_no_gradient():
    loss = make_loss()
    s, t = make_pair()
    t.requires_grad_()
    loss(s, t).backward()
    assert t.grad is None


def test_weight_zero_keeps_every_parameter_in_the_graph():
    loss = make_loss(loss_weight=0.0)
    value = loss(*make_pair())
    value.backward()
    assert value == 0
    assert all(p.grad is not None for p in loss.parameters())


def test_shapes_can_be_tried_without_values():
    loss = TaTLoss(3, 4).to('meta')
    value = loss(
        torch.empty(2, 3, 33, 41, device='meta'),
        torch.empty(2, 4, 33, 41, device='meta'),
    )
    assert value.shape == ()


def test_copies_compute_the_same():
    loss = make_loss()
    pair = make_pair()
    loss(*pair).backward()
    torch.testing.assert_close(copy.deepcopy(loss)(*pair), loss(*pair))


# --------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    'student, teacher, message',
    [
        ((2, 3, 8, 8), (2, 4, 4, 4), 'ResizeConnector'),
        ((2, 5, 8, 8), (2, 4, 8, 8), '3 and 4 channels'),
        ((2, 3, 8, 8), (1, 4, 8, 8), 'same images'),
        ((2, 64, 3), (2, 64, 4), r'must be \(B, C, H, W\)'),
    ],
)
def test_shapes_that_do_not_fit_are_named(student, teacher, message):
    loss = TaTLoss(3, 4)
    with pytest.raises(ValueError, match=message) as error:
        loss(torch.zeros(student), torch.zeros(teacher))
    assert str(student) in str(error.value)
    assert str(teacher) in str(error.value)


@pytest.mark.parametrize(
    'kwargs, error, message',
    [
        (dict(student_channels=0), ValueError, '`student_channels`'),
        (dict(num_levels=1.0), TypeError, '`num_levels`'),
        (dict(patch_size=8), TypeError, r'`patch_size`.*found 8'),
        (dict(patch_size=(8, 0)), ValueError, '`patch_size`.*found 0'),
        (dict(patch_size=[(8, 8)] * 3), ValueError, '3 entries.*is 1'),
        (dict(anchor_stride=(4, 4, 4)), TypeError, '`anchor_stride`'),
        (dict(anchor_stride='4x4'), TypeError, '`anchor_stride`'),
        (dict(patches_per_group=0), ValueError, '`patches_per_group`'),
        (dict(patch_weight=-1), ValueError, '`patch_weight`'),
        (dict(anchor_weight='1'), TypeError, '`anchor_weight`'),
        (dict(embed_key='no'), TypeError, '`embed_key`'),
        (dict(axis='both'), ValueError, "`axis`.*'both'"),
        (dict(scale=float('nan')), ValueError, '`scale`'),
        (dict(embed_norm='layer'), ValueError, "`embed_norm`.*'layer'"),
        (dict(embed_kernel_size=2), ValueError, '`embed_kernel_size`.*odd'),
        (dict(loss_weight=float('inf')), ValueError, '`loss_weight`'),
    ],
)
def test_wrong_arguments_are_named(kwargs, error, message):
    with pytest.raises(error, match=message):
        TaTLoss(**dict(dict(student_channels=3, teacher_channels=4), **kwargs))


def test_sizes_from_the_command_line_are_lists():
    loss = TaTLoss(3, 4, num_levels=2, patch_size=[4, 4])
    assert loss.patch_sizes == [(4, 4), (4, 4)]


def test_is_registered_in_mmrazor():
    loss = MODELS.build(
        dict(type='TaTLoss', student_channels=3, teacher_channels=4)
    )
    assert isinstance(loss, TaTLoss)
