"""Short trainings of the digits through the real tool, and what they leave."""

import hashlib
from pathlib import Path

import torch

from tests.commands import launch_unchecked
from tests.digits_run import (
    DISTILLATION,
    data_options,
    training_options,
)
from tests.forked_tools import fork_tool_unchecked

WITH_FAULT = '../tests/test_reliability/with_fault.py'
EPOCHS = 3


def train(
    work_dir: Path,
    *options: str,
    fault: tuple[str, object] | None = None,
    epochs: int = EPOCHS,
    config: str = DISTILLATION,
) -> tuple[int, str]:
    """Trains a few iterations an epoch, with a validation after the last.

    Args:
        work_dir: As ``--work-dir``.
        *options: More of the command line, before ``--cfg-options``.
        fault: As :mod:`tests.test_reliability.with_fault` takes it.
        epochs: How many of four iterations.
        config: The config.

    Returns:
        The exit code and what was printed.
    """
    arguments = [config, *_arguments(work_dir, options, epochs)]
    if fault is None:
        return fork_tool_unchecked('train.py', *arguments)
    return fork_tool_unchecked(WITH_FAULT, *fault, 'train.py', *arguments)


def train_on_two_ranks(
    work_dir: Path,
    *options: str,
    fault: tuple[str, object] | None = None,
) -> tuple[int, str]:
    """As :func:`train`, in two processes; the fault concerns both."""
    arguments = [DISTILLATION, 2, *_arguments(work_dir, options, EPOCHS)]
    script = 'train.py'
    if fault is not None:
        # dist_run.sh SCRIPT CONFIG GPUS ...: the fault stands in between.
        script, arguments = (
            WITH_FAULT,
            [fault[0], 2, fault[1], 'train.py', DISTILLATION, *arguments[2:]],
        )
    return launch_unchecked('dist_run.sh', script, *arguments)


def _arguments(work_dir: Path, options: tuple, epochs: int) -> list:
    return [
        *('--work-dir', work_dir, *options),
        *('--cfg-options', *data_options(), *training_options(epochs)),
        f'train_cfg.val_interval={epochs}',
    ]


def training_state(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor of model and optimizer, by name."""
    content = torch.load(checkpoint, weights_only=False)
    state = dict(content['state_dict'])
    for index, values in content['optimizer']['state'].items():
        for name, value in values.items():
            state[f'optimizer.{index}.{name}'] = value
    return state


def differences(ours: dict, theirs: dict) -> list[str]:
    """Names of the tensors that are not bit for bit the same."""
    return [
        name
        for name in ours.keys() | theirs.keys()
        if name not in ours
        or name not in theirs
        or not _is_equal(ours[name], theirs[name])
    ]


def _is_equal(a, b) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(a, b)
    return a is None and b is None


def digest(path: Path) -> str:
    """A file's content as a hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
