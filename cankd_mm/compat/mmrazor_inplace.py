"""Switches in-place activations off in MMRazor's own algorithms.

What breaks: MMRazor's algorithms switch the in-place activations of their
models off, since these overwrite what a recorder holds. They search for them
through ``OrderedDict``s, and ``nn.Module._modules`` is a plain dict on current
torch: nothing is found, and a record of a convolution or norm is silently what
the activation made of it. Nor were activations found below a module that has
an ``inplace`` attribute of its own, as mmcv's ``ConvModule`` has.

Here: every module with an ``inplace`` attribute is switched. What a model's
own code does in place still reaches the records of these algorithms, as
``out += identity`` of a residual block does; ``FrozenTeacherDistill`` copies
such records. ``DataFreeDistillation`` switches its student, and never
searched its teachers.

Upstream: https://github.com/open-mmlab/mmrazor/pull/446 added the search. No
issue about it that we know of.
Probe: whether a nested activation is switched off, by the function itself.
Applied when ``mmrazor.models.algorithms.base`` has been imported.
Delete when a release of MMRazor walks ``modules()``.
"""

import sys
from collections.abc import Mapping
from types import SimpleNamespace

from torch import nn

_MODULE = 'mmrazor.models.algorithms.base'


def needed() -> bool:
    """Whether MMRazor leaves a nested activation in place."""
    activation = nn.ReLU(inplace=True)
    owner = nn.Sequential(activation)
    owner.inplace = True  # as ConvModule
    base = sys.modules[_MODULE].BaseAlgorithm

    class Probe(SimpleNamespace):
        set_module_inplace_false = base.set_module_inplace_false

    probe = Probe(architecture=nn.Sequential(owner))
    probe.set_module_inplace_false(probe.architecture, 'self.architecture')
    return activation.inplace


def apply() -> None:
    """Replace MMRazor's search, which all of its algorithms inherit."""
    base = sys.modules[_MODULE].BaseAlgorithm
    base.set_module_inplace_false = _set_module_inplace_false


def _set_module_inplace_false(
    self, architecture: nn.Module | Mapping[str, nn.Module], varstr: str
) -> None:
    """Let every module of a model return new tensors.

    Args:
        self: The algorithm.
        architecture: The model, or modules by name.
        varstr: Its name in the algorithm; unused.
    """
    if isinstance(architecture, nn.Module):
        roots = [architecture]
    else:
        roots = [root for root in architecture.values() if root is not None]
    for root in roots:
        for module in root.modules():
            if hasattr(module, 'inplace'):
                module.inplace = False
