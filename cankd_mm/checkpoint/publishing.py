"""Makes checkpoints small enough to share: weights and class names only."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cankd_mm.checkpoint.finite_weights import require_finite
from cankd_mm.checkpoint.whole_file import save_whole
from cankd_mm.utils.checkpoint import (
    find_checkpoint,
    read_checkpoint,
    student_state_dict,
    weights_of,
)


@dataclass(frozen=True)
class Published:
    """What was written.

    Attributes:
        path: The file.
        left_out: Of a distillation checkpoint, how many keys were left out,
            by what they start with. Empty for a plain one.
        full_precision: Tensors that half precision would spoil, and why.
    """

    path: Path
    left_out: Mapping[str, int] = field(default_factory=dict)
    full_precision: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """What was left out and kept, a line each, and the size."""
        lines = []
        if self.left_out:
            parts = ', '.join(
                f'{prefix}.* ({count} keys)'
                for prefix, count in self.left_out.items()
            )
            lines.append(
                f'A distillation: published the student, left out {parts}'
            )
        for name, reason in self.full_precision.items():
            lines.append(f'Kept {name} in full precision: {reason}')
        lines.append(f'{self.path}: {self.path.stat().st_size / 1e6:.2f} MB')
        return '\n'.join(lines)


def publish_checkpoint(
    checkpoint: str, out: str | Path, half: bool = False
) -> Published:
    """Write the weights of a checkpoint, and the names of its classes.

    Of a distillation the student is published. The file appears whole or not
    at all.

    Args:
        checkpoint: A file, ``package::path`` or an address.
        out: The file to write, another one than ``checkpoint``.
        half: Store floating-point weights in half precision. Tensors that it
            would spoil keep their own precision, see :func:`spoiled_by_half`.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The file is no checkpoint or damaged, holds weights that
            are not finite, or is ``out``.
        OSError: ``out`` cannot be written.
    """
    key = 'checkpoint'
    require_other_file(find_checkpoint(checkpoint, key), out)
    content = read_checkpoint(checkpoint, key)
    state = weights_of(content, checkpoint, key)
    weights = student_state_dict(state)
    left_out: Counter = Counter()
    if weights is not state:
        own = {*weights, *(f'architecture.{name}' for name in weights)}
        left_out.update(
            name.partition('.')[0] for name in state if name not in own
        )
    require_finite(weights, checkpoint, key)
    kept = {}
    if half:
        weights = dict(weights)
        for name, value in weights.items():
            reason = spoiled_by_half(name, value)
            if reason:
                kept[name] = reason
            elif _is_floating_point(value):
                weights[name] = value.half()
    meta = dict(dataset_meta=meta_of(content).get('dataset_meta'))
    save_whole(dict(meta=meta, state_dict=weights), out)
    return Published(Path(out), dict(left_out), kept)


def meta_of(content: Any) -> Mapping:
    """Return the meta information of a checkpoint, empty without any."""
    meta = content.get('meta') if isinstance(content, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def require_other_file(checkpoint: str, out: str | Path) -> None:
    """Raise if a checkpoint would be replaced by what is made of it.

    Args:
        checkpoint: The file that is read, or an address.
        out: The file to write. It need not exist.

    Raises:
        ValueError: They are one file.
    """
    both_exist = os.path.exists(out) and os.path.exists(checkpoint)
    if both_exist and os.path.samefile(checkpoint, out):
        raise ValueError(
            f'out={str(out)!r} is the checkpoint itself, which would be lost; '
            'expected another file. Name another file to write'
        )


def spoiled_by_half(name: str, value: Tensor) -> str | None:
    """Return why half precision spoils a tensor; None if it does not.

    Half precision ends at 65504, and numbers under 3e-8 become zero. The
    latter matters where a model divides by them (a running variance), or
    where nothing else is left of a tensor. In other weights it is less than
    what rounding does to their neighbors.

    Args:
        name: The tensor's key.
        value: The tensor, finite.
    """
    if not _is_floating_point(value):
        return None
    half = value.half()
    if not torch.equal(half.isfinite(), value.isfinite()):
        largest = value[value.isfinite()].abs().max().item()
        return f'its largest number is {largest:.4g}, over 65504'
    vanished = int(((half == 0) & (value != 0)).sum())
    if vanished and name.endswith('running_var'):
        return f'{vanished} of its numbers would become zero'
    if vanished and not half.any():
        return 'all of its numbers would become zero'
    return None


def _is_floating_point(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
