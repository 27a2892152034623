"""Folds a frozen model's batch norms into the convolutions before them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from mmcv.cnn.bricks.wrappers import Conv2d as MMCVConv2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

# Subclasses may compute their weights (weight standardisation does).
_PLAIN_FORWARDS = (nn.Conv2d.forward, MMCVConv2d.forward)
# Of a feature's largest value; folding moves it by a millionth.
_TOLERANCE = 1e-3


@torch.no_grad()
def fold_batch_norms(
    model: nn.Module,
    features: Callable[[], list[Tensor]],
    recorded: Collection[nn.Module] = (),
) -> int:
    """Fold each batch norm that is the only reader of a convolution.

    In evaluation mode a batch norm is a factor and an offset for each
    channel, which a convolution can have in its weights: a pass over every
    feature map less. Who reads what is seen in a forward, not guessed from
    the order of the modules. If the features differ afterwards all the same,
    everything is put back. Our completion.

    Args:
        model: A frozen model in evaluation mode, changed in place: a folded
            norm becomes an ``nn.Identity``.
        features: Runs the model and returns the features that matter. Its
            last call sees the model as it is left.
        recorded: Modules whose own outputs matter, so they are not folded.

    Returns:
        The number of batch norms folded.
    """
    pairs: Counter = Counter()
    with _seen_pairs(model, pairs):
        expected = features()
    foldable = {
        norm: convolution
        for convolution, norm in pairs
        if _is_plain(convolution, norm)
        and convolution not in recorded
        and norm not in recorded
    }
    if not foldable:
        return 0
    before = {c: (c.weight, c.bias) for c in foldable.values()}
    for norm, convolution in foldable.items():
        _fold(convolution, norm)
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()
        if child in foldable
    ]
    for parent, name, _ in places:
        parent._modules[name] = nn.Identity().eval()
    if _agree(features(), expected):
        return len(foldable)
    for convolution, (weight, bias) in before.items():
        convolution.weight, convolution.bias = weight, bias
    for parent, name, norm in places:
        parent._modules[name] = norm
    features()
    return 0


@contextmanager
def _seen_pairs(model: nn.Module, pairs: Counter) -> Iterator[None]:
    """Counts who follows whom; leaves pairs that only ever work together."""
    calls: Counter = Counter()
    last: list = [None, None]

    def leave_convolution(module, inputs, output) -> None:
        calls[module] += 1
        last[:] = module, output

    def enter_norm(module, inputs) -> None:
        calls[module] += 1
        if inputs[0] is last[1]:
            pairs[last[0], module] += 1

    handles = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(leave_convolution))
        elif isinstance(module, _BatchNorm):
            handles.append(module.register_forward_pre_hook(enter_norm))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    for pair, count in list(pairs.items()):
        if any(calls[module] != count for module in pair):
            del pairs[pair]


def _is_plain(convolution: nn.Conv2d, norm: _BatchNorm) -> bool:
    """Whether both compute what their classes stand for."""
    return (
        type(convolution).forward in _PLAIN_FORWARDS
        and 'weight' in convolution._parameters
        and not norm.training
        and norm.running_mean is not None
    )


def _fold(convolution: nn.Conv2d, norm: _BatchNorm) -> None:
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )


def _agree(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(_close, found, expected))


def _close(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape or not ours.is_floating_point():
        return torch.equal(ours, theirs)
    if not ours.numel():
        return True
    change = (ours - theirs).abs().max()
    return bool(change <= _TOLERANCE * theirs.abs().max())
