"""Lets a student start from parts of its teacher."""

from collections.abc import Sequence

import torch
from torch import nn


def inherited_weights(
    student: nn.Module,
    teacher: nn.Module,
    modules: Sequence[str] | dict[str, str],
) -> dict[str, torch.Tensor]:
    """Copies of the teacher's weights under the student's names.

    Args:
        student: Whose modules inherit.
        teacher: Whose weights are copied.
        modules: Module names that both have, or a dict of the student's
            names to the teacher's.

    Returns:
        A state dict for the student, of the named modules only.

    Raises:
        TypeError: A name in place of a list of names.
        ValueError: A module is in only one of the models, or holds other
            weights or shapes there. The message lists the first ten.
    """
    if isinstance(modules, str):
        raise TypeError(
            f'model.inherit={modules!r}, expected a list of module names: '
            f'[{modules!r}]'
        )
    if not isinstance(modules, dict):
        modules = {name: name for name in modules}
    inherited = {}
    for ours, theirs in modules.items():
        wanted = _state(student, ours, 'student')
        found = _state(teacher, theirs, 'teacher')
        offenders = [
            f'  {ours}.{key}: student {_shape(wanted.get(key))}, '
            f'teacher {_shape(found.get(key))}'
            for key in sorted(wanted.keys() | found.keys())
            if _shape(wanted.get(key)) != _shape(found.get(key))
        ]
        if offenders:
            raise ValueError(
                f'model.inherit: the student cannot take {ours!r} from the '
                f"teacher's {theirs!r}, since their weights differ:\n"
                + '\n'.join(offenders[:10])
                + '\nInherit only modules of equal shape'
            )
        for key, value in found.items():
            inherited[f'{ours}.{key}'] = value.detach().clone()
    return inherited


def _state(model: nn.Module, name: str, role: str) -> dict:
    modules = dict(model.named_modules())
    if name not in modules:
        raise ValueError(
            f'model.inherit names {name!r}, which is not in the {role} '
            f'({type(model).__name__}). Its parts are '
            f'{[child for child, _ in model.named_children()]}'
        )
    return modules[name].state_dict()


def _shape(value: torch.Tensor | None) -> str:
    return 'absent' if value is None else str(tuple(value.shape))
