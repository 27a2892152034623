import torch

from cankd_mm.utils.live_tensors import LiveTensors

KIB = 1024


def kib(count, device='cpu'):
    return torch.zeros(count * KIB // 4, device=device)


def test_what_lives_is_added_up_and_the_peak_is_kept():
    with LiveTensors([]) as memory:
        a = kib(8)
        b = kib(4)
        assert memory.live == 12 * KIB
        del b
        assert memory.live == 8 * KIB
    assert memory.peak == 12 * KIB
    assert a is not None


def test_views_and_held_tensors_do_not_count():
    held = kib(8)
    with LiveTensors([held]) as memory:
        views = held[:4], held.view(-1, 2).t()
        held.add_(1)
    assert memory.peak == 0
    assert views


def test_tensors_without_values_count_by_their_shapes():
    with LiveTensors([]) as memory:
        product = kib(8, 'meta') * 2
    assert memory.peak == 16 * KIB
    assert product.is_meta


def test_what_a_backward_needs_lives_until_it_is_over():
    x = kib(8).requires_grad_()
    with LiveTensors([x]) as memory:
        y = x.exp().sum()
        assert memory.live == 8 * KIB + 4  # exp keeps its result
        y.backward()
        del y
        assert memory.live == 8 * KIB  # the gradient
