"""Which operators of mmcv a model refers to that are not there.

Where mmcv was installed without its compiled operators, some have no
replacement. A model that has such an operator may call it late: in its loss,
or only when it predicts, after a whole epoch. This reads the code of the
model's classes instead of running it.
"""

import dis
import functools
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from torch import nn

_EXTENSION = 'mmcv._ext'
# What these define refers to no operator of mmcv.
_NOT_READ = {'builtins', 'mmengine', 'numpy', 'scipy', 'torch', 'torchvision'}


class MissingOperatorError(NotImplementedError):
    """An operator of mmcv is called that is not there."""


def missing_operators(model: nn.Module) -> dict[str, str]:
    """Find the missing operators that a model's classes refer to.

    Followed are the methods of every module's class and of the objects that a
    module holds (assigners, samplers, coders), the functions that these call
    by name, and the layers and functions of ``mmcv.ops``. What is only called
    under a name that a config holds as text is not seen.

    Args:
        model: Its modules are looked at, and not run.

    Returns:
        Where each operator is used, by its name: the module's name in the
        model and its class. Empty where mmcv is compiled.
    """
    found: dict[str, str] = {}
    for name, module in model.named_modules():
        for kind in _kinds(module):
            for operator in _of_class(kind):
                place = f'{name or "the model"} ({kind.__name__})'
                found.setdefault(operator, place)
    return found


def describe(operators: dict[str, str]) -> str:
    """Return missing operators as one line."""
    return ', '.join(f'{name} in {place}' for name, place in operators.items())


def _kinds(module: nn.Module) -> Iterator[type]:
    """Yield the class of a module, and of the helpers that it holds."""
    yield type(module)
    for value in vars(module).values():
        values = value if isinstance(value, list | tuple) else (value,)
        for item in values:
            if not isinstance(item, nn.Module | type | FunctionType):
                yield type(item)


@functools.cache
def _of_class(kind: type) -> frozenset[str]:
    members = [
        member
        for base in kind.__mro__
        if _is_read(base.__module__)
        for member in vars(base).values()
    ]
    return frozenset(_reached(members))


def _reached(values: Iterable[Any]) -> Iterator[str]:
    """Yield the missing operators that are reached from some values."""
    queue, seen = list(values), set()
    while queue:
        value = queue.pop()
        for function in _functions(value):
            if id(function) in seen:
                continue
            seen.add(id(function))
            for operator, reference in _references(function):
                if operator:
                    yield operator
                else:
                    # `carafe = CARAFEFunction.apply` stands for the class.
                    owner = getattr(reference, '__self__', None)
                    value = owner if isinstance(owner, type) else reference
                    if _is_followed(value):
                        queue.append(value)


def _functions(value: Any) -> Iterator[FunctionType]:
    """Yield the Python functions that a value is made of."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, type):
        # Of a layer only those count that are in the model.
        if not issubclass(value, nn.Module):
            for member in vars(value).values():
                if not isinstance(member, type):
                    yield from _functions(member)
        return
    if not isinstance(value, FunctionType):
        return
    yield value
    for cell in value.__closure__ or ():  # what a decorator wraps
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if isinstance(content, FunctionType):
            yield from _functions(content)


@functools.cache
def _references(function: FunctionType) -> tuple[tuple[str | None, Any], ...]:
    """Return missing operators, and other globals that a function names."""
    found = []
    for code in _codes(function.__code__):
        value = None
        for step in dis.get_instructions(code):
            if step.opname in ('LOAD_GLOBAL', 'LOAD_NAME'):
                value = function.__globals__.get(step.argval)
                found.append((None, value))
            elif step.opname in ('LOAD_ATTR', 'LOAD_METHOD') and isinstance(
                value, ModuleType
            ):
                is_extension = value.__name__ == _EXTENSION
                value = getattr(value, str(step.argval), None)
                if not is_extension:
                    found.append((None, value))
                elif getattr(value, 'is_missing', False):
                    found.append((str(step.argval), None))
            else:
                value = None
    return tuple(found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of those inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _is_followed(value: Any) -> bool:
    """Whether what a function names may lead to an operator."""
    module = getattr(value, '__module__', None)
    if not isinstance(module, str):
        return False
    if isinstance(value, type):
        # The autograd functions around the operators.
        return module.startswith('mmcv.ops')
    return isinstance(value, Callable) and _is_read(module)


def _is_read(module: str) -> bool:
    return module.partition('.')[0] not in _NOT_READ
