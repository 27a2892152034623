"""Cuts a student into local modules whose gradients do not mix."""

import difflib
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

_KEYS = {'module', 'on'}
_SIDES = ('input', 'output')


class Truncation:
    """Keeps gradients from passing a module's input or output.

    ``on='input'`` detaches what enters the module: whatever else uses the
    same tensor (the lateral convolution of an FPN) still sends its gradient
    back. ``on='output'`` detaches what leaves it, for everybody. Values are
    never changed.

    The object is the hook itself and refers to nothing of the model, so that
    ``copy.deepcopy`` of the model copies it too.

    Args:
        module: Name of the module in the student.
        on: 'input' or 'output'.

    Attributes:
        active: Whether gradients are cut.
        trace: None, or a list to which this truncation adds itself and every
            tensor that it cuts, just before.
    """

    def __init__(self, module: str, on: str) -> None:
        self.module = module
        self.on = on
        self.active = False
        self.trace: list[tuple[Truncation, torch.Tensor]] | None = None

    def __str__(self) -> str:
        """As in a config."""
        return f'module={self.module!r} (on={self.on!r})'

    def install(self, student: nn.Module) -> None:
        """Register the hook, after those that are there already."""
        module = student.get_submodule(self.module)
        if self.on == 'input':
            module.register_forward_pre_hook(self._cut_input, with_kwargs=True)
        else:
            module.register_forward_hook(self._cut_output)

    def _cut_input(self, module, args, kwargs):
        if not self.active:
            return None
        return self._cut(args), self._cut(kwargs)

    def _cut_output(self, module, args, output):
        return self._cut(output) if self.active else None

    def _cut(self, value: Any) -> Any:
        """The same nest of containers with every tensor detached."""
        if isinstance(value, torch.Tensor):
            if self.trace is not None:
                self.trace.append((self, value))
            return value.detach()
        if isinstance(value, tuple) and hasattr(value, '_fields'):
            return type(value)(*map(self._cut, value))
        if isinstance(value, list | tuple):
            return type(value)(map(self._cut, value))
        if isinstance(value, dict):
            return type(value)((k, self._cut(v)) for k, v in value.items())
        return value


def build_truncations(
    configs: Sequence[dict], student: nn.Module
) -> list[Truncation]:
    """Checks ``model.truncations`` and installs a hook for each.

    Args:
        configs: ``dict(module=..., on='input' or 'output')`` each; without
            ``on`` the input is cut.
        student: The model that is cut. Recorders are attached later, before
            these hooks: what they record before the cut keeps its gradient.

    Raises:
        TypeError: ``configs`` is no sequence of dicts.
        ValueError: A side that is not known, or a module that the student
            does not have or never calls.
    """
    if not isinstance(configs, Sequence) or isinstance(configs, str):
        raise TypeError(
            'model.truncations must be a list of dict(module=..., '
            f"on='input' or 'output'), found {configs!r}"
        )
    modules = dict(student.named_modules())
    truncations = []
    for index, config in enumerate(configs):
        key = f'model.truncations[{index}]'
        _check(config, key, modules, type(student).__name__)
        truncation = Truncation(config['module'], config.get('on', 'input'))
        if any(str(truncation) == str(other) for other in truncations):
            raise ValueError(f'{key}: {truncation} is cut already')
        truncations.append(truncation)
    for truncation in truncations:
        truncation.install(student)
    return truncations


def _check(
    config: dict, key: str, modules: dict[str, nn.Module], student: str
) -> None:
    if not isinstance(config, dict):
        raise TypeError(
            f"{key} must be dict(module=..., on='input' or 'output'), found "
            f'{config!r}'
        )
    if 'module' not in config or set(config) - _KEYS:
        raise ValueError(
            f'{key} has the keys {sorted(config)}, expected {sorted(_KEYS)}'
        )
    name, on = config['module'], config.get('on', 'input')
    if on not in _SIDES:
        raise ValueError(f'{key}.on={on!r}, expected one of {_SIDES}')
    if name not in modules or not name:
        known = [n for n in modules if n]
        close = difflib.get_close_matches(str(name), known, 3, 0.0)
        raise ValueError(
            f'{key}.module={name!r} is not in the student ({student}). The '
            f'closest names are {close}'
        )
    if isinstance(modules[name], nn.ModuleList | nn.ModuleDict):
        children = [n for n, _ in modules[name].named_children()]
        raise ValueError(
            f'{key}.module={name!r} is a {type(modules[name]).__name__}, '
            'which is never called itself. Name a module inside it: '
            + ', '.join(f'{name}.{child}' for child in children[:3])
        )
