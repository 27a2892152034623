"""Heads that need data samples get them in mode 'tensor', too."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import Parameter, signature

from mmengine.structures import BaseDataElement
from torch import nn

_SAMPLES = 'batch_data_samples'


@contextmanager
def served_heads(
    model: nn.Module, data_samples: Sequence[BaseDataElement] | None
) -> Iterator[None]:
    """Complete calls of heads that lack the data samples.

    In mode 'tensor' a segmentor of MMSegmentation calls its head with the
    features only, and the heads of MaskFormer and Mask2Former require the
    data samples, of which they read the meta information. In mode 'loss' they
    get them.

    Args:
        model: Its direct children are looked at.
        data_samples: The batch's, without labels.
    """
    with ExitStack() as stack:
        for head in model.children():
            if data_samples is not None and _requires_samples(head):
                head.forward = _completed(head.forward, data_samples)
                # The class has the method itself.
                stack.callback(delattr, head, 'forward')
        yield


def _requires_samples(head: nn.Module) -> bool:
    if 'forward' in vars(head):  # compiled, or replaced by someone else
        return False
    parameter = signature(head.forward).parameters.get(_SAMPLES)
    return parameter is not None and parameter.default is Parameter.empty


def _completed(forward, data_samples: Sequence[BaseDataElement]):
    parameters = signature(forward)

    @wraps(forward)
    def completed(*args, **kwargs):
        bound = parameters.bind_partial(*args, **kwargs).arguments
        if _SAMPLES not in bound:
            kwargs[_SAMPLES] = data_samples
        return forward(*args, **kwargs)

    return completed
