"""Finds where the stages of a backbone begin.

Nothing is guessed from names. Autograd tells which of the modules that a
backbone calls a stage depends on; what the next stage depends on in addition
begins it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cankd_mm.algorithms.local_modules import NORMS
from cankd_mm.algorithms.nested_tensors import tensors_in
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.pairing.features import (
    Level,
    ModelFeatures,
    image,
    set_mode,
)
from cankd_mm.utils.random_state import preserved_random_state


def first_modules(model: ModelFeatures, stages: Sequence[Level]) -> list[str]:
    """Return the module that begins each stage but the first.

    Args:
        model: The student; it runs once more.
        stages: Levels of ``backbone`` that a gradient reaches, in order.

    Returns:
        Names for ``truncations`` of ``LocalModuleDistill``. A stage without
        modules of its own is left out.
    """
    backbone = model.model.backbone
    calls = _DirectCalls(backbone)
    set_mode(model.model, training=True)
    device = next(backbone.parameters()).device
    with quiet(), preserved_random_state(devices=[]), calls:
        outputs = backbone(image(model.model, model.size, device))
    if isinstance(outputs, Tensor):
        outputs = [outputs]
    tensors = [outputs[stage.index or 0] for stage in stages]
    needed = [calls.needed_by(tensor) for tensor in tensors]
    names = []
    for index, stage in enumerate(needed[:-1], 1):
        added = needed[index] - stage
        if not added:
            continue
        first = min(added)
        name = calls.names[first]
        # Called once, and the only way from the stages before.
        is_way = not stage & calls.needed_by(tensors[index], except_by=first)
        own = [
            backbone.get_submodule(calls.names[n])
            for n in stage - needed[index]
        ]
        is_next = stage & needed[index] and all(
            isinstance(module, NORMS) for module in own
        )
        if is_way and is_next and calls.names.count(name) == 1:
            names.append(f'backbone.{name}')
    return list(dict.fromkeys(names))


class _DirectCalls:
    """Follows the modules that a module calls itself, in their order.

    Args:
        module: The one that calls.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.names: list[str] = []
        self._nodes: dict[torch.autograd.graph.Node, int] = {}
        self._depth = 0

    def __enter__(self) -> '_DirectCalls':
        self._handles = []
        for name, module in self.module.named_modules():
            if name:
                self._handles += [
                    module.register_forward_pre_hook(self._enter),
                    module.register_forward_hook(self._leave(name)),
                ]
        return self

    def __exit__(self, *_) -> None:
        for handle in self._handles:
            handle.remove()

    def needed_by(
        self, tensor: Tensor, except_by: int | None = None
    ) -> set[int]:
        """Return which of the calls a tensor depends on, by number.

        Args:
            tensor: What a backbone returned.
            except_by: A call whose inputs are not followed.
        """
        seen, pending, found = set(), [tensor.grad_fn], set()
        while pending:
            node = pending.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in self._nodes:
                found.add(self._nodes[node])
                if self._nodes[node] == except_by:
                    continue
            pending += [following for following, _ in node.next_functions]
        return found

    def _enter(self, *_) -> None:
        self._depth += 1

    def _leave(self, name: str):
        def leave(module, inputs, output) -> None:
            self._depth -= 1
            if self._depth:
                return
            number = len(self.names)
            self.names.append(name)
            for tensor in tensors_in(output):
                if tensor.grad_fn is not None:
                    self._nodes.setdefault(tensor.grad_fn, number)

        return leave
