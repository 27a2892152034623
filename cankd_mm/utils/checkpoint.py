"""Reads checkpoints and loads them with a report of what matched."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from cankd_mm.checkpoint.errors import UnsafeCheckpointError
from cankd_mm.checkpoint.file_kind import (
    UnreadableCheckpointError,
    require_checkpoint_file,
)
from cankd_mm.checkpoint.finite_weights import (
    NonFinite,
    non_finite_tensors,
    raise_non_finite,
)
from cankd_mm.checkpoint.integrity import reading
from cankd_mm.utils.config_path import require_text, resolve_path

# Wrappers that training leaves in front of a model's own keys.
_WRAPPER_PREFIX = re.compile(r'^(module\.)+')
# In front of a student's keys where it is a submodule.
_OLD_PREFIX = 'architecture.'
_DISTILLER_PREFIX = 'distiller.'
# Where training writes: work_dirs/<config>/<checkpoint>.
_TRAINED_HERE = re.compile(r'^work_dirs/([^/]+)/[^/]+$')


@dataclass
class LoadReport:
    """What happened to the keys of a checkpoint and of a model.

    Attributes:
        source: Where the checkpoint came from.
        matched: Model keys that were loaded.
        missing: Model keys that the checkpoint lacks.
        unexpected: Checkpoint keys that the model lacks.
        mis_shaped: Keys of both, with the checkpoint's and the model's shape.
        coverage: Share of the model's weights that were loaded, in [0, 1]:
            the smaller of the share of numbers and the share of tensors, so
            that neither a large head nor many small norms can be lost
            unnoticed. Running statistics count as weights.
        non_finite: Tensors that were loaded, hold NaN or infinity, and that
            the model had with finite numbers.
    """

    source: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mis_shaped: list[tuple[str, tuple, tuple]] = field(default_factory=list)
    coverage: float = 0.0
    non_finite: list[NonFinite] = field(default_factory=list)

    def __str__(self) -> str:
        """One line of counts."""
        return (
            f'{self.source}: {len(self.matched)} matched, '
            f'{len(self.missing)} missing, {len(self.unexpected)} unexpected, '
            f'{len(self.mis_shaped)} mis-shaped keys; '
            f'{100 * self.coverage:.1f} % of the weights loaded'
        )

    def offenders(self, most: int = 10) -> str:
        """The first keys that did not fit, a line each."""
        lines = [
            f'  mis-shaped {key}: checkpoint {found}, model {wanted}'
            for key, found, wanted in self.mis_shaped
        ]
        lines += [f'  missing {key}' for key in self.missing]
        lines += [f'  unexpected {key}' for key in self.unexpected]
        return '\n'.join(lines[:most])

    def require(self, min_coverage: float, owner: str) -> None:
        """Raises unless enough was loaded.

        Args:
            min_coverage: Share of the weights that must be loaded.
            owner: What the checkpoint should belong to, for the message.

        Raises:
            ValueError: Less was loaded, or nothing at all.
        """
        if not self.matched or self.coverage < min_coverage:
            raise ValueError(
                f'{self}, expected at least {100 * min_coverage:.0f} %. The '
                f'checkpoint does not belong to this {owner}. First keys '
                f'that do not fit:\n{self.offenders()}'
            )

    def require_finite(self) -> None:
        """Raise if the checkpoint holds weights that are not finite.

        Raises:
            NonFiniteWeightsError: It names the first tensors, with counts.
        """
        raise_non_finite(self.non_finite, self.source)


def trained_by(path: str) -> str | None:
    """Name of the config whose training writes a file; None if none does."""
    run = _TRAINED_HERE.match(path)
    return run[1] if run else None


def read_checkpoint(path: str, key: str) -> dict:
    """Reads a checkpoint file onto the CPU.

    Args:
        path: A file, ``package::path`` or a URL that MMEngine can load.
        key: The config key it stands under, for error messages.

    Raises:
        FileNotFoundError: There is no such file. Of one that training here
            would write, the message says which config makes it.
        ConnectionError: An address that cannot be read.
        UnreadableCheckpointError: The file is something else than a
            checkpoint, or damaged.
        UnsafeCheckpointError: The file holds code.
        ValueError: ``path`` is no text.
    """
    found = find_checkpoint(path, key)
    if '://' in found:
        return _download(found, path, key)
    with reading(found, key), _named(key):
        return CheckpointLoader.load_checkpoint(
            found, map_location='cpu', logger='silent'
        )


def find_checkpoint(path: str, key: str) -> str:
    """Finds a checkpoint without reading it.

    Args:
        path: As in :func:`read_checkpoint`.
        key: Likewise.

    Returns:
        The path of a local file, or an address as it is.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableCheckpointError: A folder, a broken link or a device.
        ValueError: ``path`` is no text.
    """
    path = require_text(path, key)
    try:
        return resolve_path(path, key)
    except FileNotFoundError as error:
        if os.path.lexists(os.path.expanduser(path)):
            require_checkpoint_file(os.path.expanduser(path), key)
        config = trained_by(path)
        if config is None:
            raise
        raise FileNotFoundError(
            f'{error}. Training the config {config}.py writes this file: '
            'train it first (configs/teachers/README.md lists the teachers '
            'without public weights), or give the path of weights you have'
        ) from None


def _download(address: str, path: str, key: str) -> dict:
    try:
        with _named(key):
            return CheckpointLoader.load_checkpoint(
                address, map_location='cpu', logger='silent'
            )
    except UnreadableCheckpointError:
        raise  # what lies in torch hub's cache
    except OSError as error:
        raise ConnectionError(
            f'{key}={path!r} cannot be downloaded: {error}. Download it '
            'elsewhere and give the path of the file (--teacher-ckpt PATH for '
            "a teacher's), or put it into "
            f'{Path(torch.hub.get_dir(), "checkpoints")}'
        ) from error


@contextlib.contextmanager
def _named(key: str) -> Iterator[None]:
    """Names the key where a file is refused."""
    try:
        yield
    except UnreadableCheckpointError as error:
        raise error.under(key) from error.__cause__
    except UnsafeCheckpointError as error:
        raise UnsafeCheckpointError(f'{key}: {error}') from error


def weights_of(
    checkpoint: dict, path: str, key: str
) -> dict[str, torch.Tensor]:
    """The weights in what :func:`read_checkpoint` returned.

    Returns:
        The state dict, without the ``module.`` that data-parallel wrappers
        leave. Of a distillation checkpoint this is still the whole of it.

    Raises:
        UnreadableCheckpointError: There are no weights.
    """
    state = checkpoint
    for name in ('state_dict', 'model'):
        if isinstance(checkpoint, dict) and isinstance(
            checkpoint.get(name), dict
        ):
            state = checkpoint[name]
            break
    if not isinstance(state, dict) or not any(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise UnreadableCheckpointError(
            path,
            key,
            f'a file that holds no weights ({_content(checkpoint)})',
            'Give a checkpoint with a `state_dict` of tensors',
        )
    return {
        _WRAPPER_PREFIX.sub('', name): value
        for name, value in state.items()
        if isinstance(name, str)
    }


def _content(checkpoint: Any) -> str:
    """What a file holds, for a message."""
    if not isinstance(checkpoint, dict):
        return f'it is a {type(checkpoint).__name__}'
    keys = [str(name) for name in checkpoint]
    more = f' and {len(keys) - 5} more' if len(keys) > 5 else ''
    return f'its keys: {", ".join(keys[:5])}{more}' if keys else 'it is empty'


def student_state_dict(
    state: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """The student's weights out of a distillation checkpoint's.

    Beside them lie those of the distiller. In checkpoints of MMRazor's
    algorithms, and of earlier versions of this package, the student is a
    submodule. A state dict with nothing but a model is returned as it is.
    """
    if has_old_keys(state):
        return {
            name[len(_OLD_PREFIX) :]: value
            for name, value in state.items()
            if name.startswith(_OLD_PREFIX)
        }
    student = {
        name: value
        for name, value in state.items()
        if not name.startswith(_DISTILLER_PREFIX)
    }
    return student if len(student) < len(state) else state


def has_old_keys(state: Mapping[str, Any], prefix: str = '') -> bool:
    """Whether the student of a state dict is a submodule.

    Args:
        state: Weights by name.
        prefix: What stands in front of the whole model's keys.
    """
    return any(name.startswith(f'{prefix}{_OLD_PREFIX}') for name in state)


def rename_old_keys(state: dict[str, Any], prefix: str = '') -> None:
    """Give the student's weights their own names, and drop a teacher's.

    Args:
        state: Changed in place. One without old keys stays as it is.
        prefix: What stands in front of the whole model's keys.
    """
    if not has_old_keys(state, prefix):
        return
    old = f'{prefix}{_OLD_PREFIX}'
    for key in list(state):
        if key.startswith(old):
            state[f'{prefix}{key[len(old) :]}'] = state.pop(key)
        elif key.startswith(f'{prefix}teacher.'):
            del state[key]


def load_weights(
    model: nn.Module, path: str, key: str, min_coverage: float = 0.0
) -> LoadReport:
    """Loads a plain or a distillation checkpoint into a model.

    Args:
        model: Where the weights go. Keys that do not fit keep their values.
        path: A file, ``package::path`` or a URL.
        key: The config key of ``path``, for the report and the errors.
        min_coverage: Share of the model's weights that must be loaded.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Less was loaded than ``min_coverage``, or nothing at all.
    """
    state = student_state_dict(
        weights_of(read_checkpoint(path, key), path, key)
    )
    report = load_state(model, state, f'{key}={path!r}')
    report.require(min_coverage, 'model')
    return report


def load_state(
    model: nn.Module, state: dict[str, torch.Tensor], source: str
) -> LoadReport:
    """Loads what fits of a state dict and reports the rest."""
    report = LoadReport(source)
    # Before loading, as it compares to the model's own values.
    non_finite = non_finite_tensors(state, model)
    missing: list[str] = []
    unexpected: list[str] = []

    def remember(_, keys) -> None:
        missing.extend(keys.missing_keys)
        unexpected.extend(keys.unexpected_keys)

    # Called once whatever fits is loaded, before torch raises for the rest.
    handle = model.register_load_state_dict_post_hook(remember)
    try:
        model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        # Under the names that a module may have given its keys just before.
        found = re.findall(
            r'size mismatch for (\S+): copying a param with shape '
            r'torch\.Size\(\[([\d, ]*)\]\) from checkpoint, the shape in '
            r'current model is torch\.Size\(\[([\d, ]*)\]\)',
            str(error),
        )
        if not found:
            raise
        report.mis_shaped = [
            (name, _parse_shape(theirs), _parse_shape(ours))
            for name, theirs, ours in found
        ]
    finally:
        handle.remove()
    mis_shaped = {name for name, _, _ in report.mis_shaped}
    report.missing = [
        name
        for name in missing
        if name not in mis_shaped and not name.endswith('num_batches_tracked')
    ]
    report.unexpected = [name for name in unexpected if name not in mis_shaped]
    # What does not reach the model does no harm.
    left_out = mis_shaped.union(unexpected)
    report.non_finite = [t for t in non_finite if t.name not in left_out]
    _measure(model, report, set(missing) | mis_shaped)
    return report


def _measure(model: nn.Module, report: LoadReport, absent: set[str]) -> None:
    """Fills in ``matched`` and ``coverage``."""
    weights = {
        name: tensor.numel()
        for name, tensor in model.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    report.matched = [name for name in weights if name not in absent]
    if weights:
        numbers = sum(weights[name] for name in report.matched)
        report.coverage = min(
            numbers / max(sum(weights.values()), 1),
            len(report.matched) / len(weights),
        )


def _parse_shape(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.replace(',', ' ').split())
