"""The student's own data preprocessor is the one that runs."""

from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn


def set_data_preprocessor(
    student: BaseModel, other: dict | nn.Module | None
) -> None:
    """Give a student without a data preprocessor the run's; report another.

    Args:
        student: Where it is set.
        other: What ``model.data_preprocessor`` holds, or the top-level
            ``data_preprocessor`` of the config, which a runner puts there.

    Raises:
        TypeError: ``other`` is neither a config nor a module.
    """
    if other is None:
        return
    if isinstance(other, dict):
        other = MODELS.build(other)
    if not isinstance(other, nn.Module):
        raise TypeError(
            'model.data_preprocessor must be a config or a module, found '
            f'{other!r}'
        )
    own = student.data_preprocessor
    # What BaseModel makes where its config has none.
    if type(own) is BaseDataPreprocessor:
        student.data_preprocessor = other
        return
    differences = _differences(own, other)
    if differences:
        print_log(
            "The student's own data_preprocessor is used "
            '(model.architecture.data_preprocessor). The data_preprocessor of '
            'the config (its own, or model.data_preprocessor) is not used; it '
            f'differs in {", ".join(differences)}.',
            logger='current',
        )


def _differences(own: nn.Module, other: nn.Module) -> list[str]:
    """Settings in which two preprocessors differ, with both values."""
    if type(own) is not type(other):
        return [f'type ({type(own).__name__}, not {type(other).__name__})']
    ours, theirs = _settings(own), _settings(other)
    return [
        f'{name} ({ours.get(name)}, not {theirs.get(name)})'
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _settings(module: nn.Module) -> dict[str, Any]:
    values = {**vars(module), **dict(module.named_buffers())}
    return {
        name: value.flatten().tolist() if isinstance(value, Tensor) else value
        for name, value in values.items()
        if not name.startswith('_')
        and isinstance(value, Tensor | bool | int | float | str | tuple | list)
    }
