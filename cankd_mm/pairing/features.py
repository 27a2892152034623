"""Lists what the modules of a model return for one image."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from cankd_mm.algorithms.served_heads import served_heads
from cankd_mm.config_checks.meta_model import meta_failure, meta_model
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.pairing.random_model import random_model
from cankd_mm.utils.random_state import preserved_random_state

# Where recipes do not say how large their images are.
DEFAULT_SIZE = (512, 512)
# What a model may have to be built on a CPU: 2 GB in float32.
_MOST_PARAMETERS = 500_000_000
# A stride and the quotient of image and map differ by no more.
_NEAR = 0.25
# Pairs compare these places; what fails after them does not matter.
_NAMED_PLACES = ('backbone', 'neck', 'decode_head')


@dataclass(frozen=True)
class Level:
    """One tensor that a module returns.

    Attributes:
        source: Name of the module.
        index: Its place in the sequence that the module returns; None if the
            module returns a tensor.
        shape: (1, C, H, W) of a map, (1, N, C) of tokens.
        image: Height and width of the image.
        has_gradient: Whether a loss on it reaches a parameter; None for a
            teacher, which has no gradients.
        aliases: Modules inside ``source`` that return the very same tensor,
            the outermost first.
    """

    source: str
    index: int | None
    shape: tuple[int, ...]
    image: tuple[int, int]
    has_gradient: bool | None
    aliases: tuple[str, ...] = ()

    @property
    def is_map(self) -> bool:
        """Whether it has rows and columns, and is one for the image.

        Features of regions of an image are no map of it.
        """
        is_one = self.shape[0] == 1 and min(self.shape) > 0
        return len(self.shape) == 4 and is_one

    @property
    def channels(self) -> int:
        """Channels of a map, or of each token."""
        return self.shape[1] if len(self.shape) == 4 else self.shape[-1]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        return self.shape[2:]

    @property
    def stride(self) -> int:
        """Pixels of the image for each row of a map.

        Rows that an image does not fill make the quotient smaller: it is
        rounded to a power of two where one is near, which strides are.
        """
        quotient = self.image[0] / self.grid[0]
        power = 2 ** round(math.log2(max(quotient, 1)))
        is_near = abs(quotient / power - 1) <= _NEAR
        return power if is_near else max(round(quotient), 1)


@dataclass(frozen=True)
class Feature:
    """A module that a recorder can name.

    Attributes:
        source: Name of the module.
        kind: Name of its class.
        levels: The tensors that its first call returns.
        calls: How often it is called for one image.
        length: How many items the tuple or list has that it returns; 1 of a
            tensor.
    """

    source: str
    kind: str
    levels: tuple[Level, ...]
    calls: int
    length: int

    @property
    def maps(self) -> tuple[Level, ...]:
        """The levels that have rows and columns."""
        return tuple(level for level in self.levels if level.is_map)


@dataclass(frozen=True)
class ModelFeatures:
    """What one forward has shown.

    Attributes:
        model: The model; its weights have no values or random ones.
        size: Height and width of the image.
        features: By the modules' names, in the order in which they returned.
        failure: Why the forward ended early, '' if it did not.
    """

    model: BaseModel
    size: tuple[int, int]
    features: dict[str, Feature]
    failure: str = ''

    def maps(self, source: str) -> tuple[Level, ...]:
        """Return the maps of a module, none of one that was not called."""
        feature = self.features.get(source)
        return feature.maps if feature else ()


def student_features(
    config: Mapping[str, Any],
    scope: str,
    size: tuple[int, int] | None = None,
    whole: bool = False,
) -> ModelFeatures:
    """Run a student as training records it: with gradients, in training mode.

    Its norms use their statistics, so that one image is enough. No labels are
    needed: what only the loss calls is not seen. Of a module that returns
    more in training than in evaluation (auxiliary maps) only the levels of
    evaluation are kept.

    Args:
        config: The model's.
        scope: The registry scope of its types.
        size: Height and width of the image; None for those that the recipe
            pads images to, or 512x512.
        whole: Run the model with random weights where it cannot run to its
            end without.

    Raises:
        ValueError: The model cannot be built.
    """
    found = _features(config, scope, size, whole, training=True)
    evaluated = _features(config, scope, found.size, False, training=False)
    features = {
        name: _without_auxiliary(feature, evaluated.features.get(name))
        for name, feature in found.features.items()
    }
    return replace(found, features=features)


def teacher_features(
    config: Mapping[str, Any],
    scope: str,
    size: tuple[int, int] | None = None,
    whole: bool = False,
) -> ModelFeatures:
    """Run a model as a teacher runs: in evaluation mode.

    Args:
        config: As for :func:`student_features`.
        scope: As for :func:`student_features`.
        size: As for :func:`student_features`.
        whole: As for :func:`student_features`.

    Raises:
        ValueError: The model cannot be built.
    """
    return _features(config, scope, size, whole, training=False)


def image_size(model: nn.Module) -> tuple[int, int]:
    """Return the height and width that a model's images are padded to."""
    size = getattr(model.data_preprocessor, 'size', None)
    if isinstance(size, list | tuple) and len(size) == 2:
        return tuple(size)
    return DEFAULT_SIZE


def _features(config, scope, size, whole, training) -> ModelFeatures:
    """Run without values where that is possible, else with random weights."""
    found = _without_values(config, scope, size, training)
    if found is not None:
        if not found.failure or (_has_shown_places(found) and not whole):
            return found
        count = sum(p.numel() for p in found.model.parameters())
        if count > _MOST_PARAMETERS:
            return found
    try:
        model = _built(config, scope)
    except Exception as failure:
        reason = meta_failure(config, scope) or failure
        raise ValueError(
            f'the model cannot be built: {type(reason).__name__}: {reason}'
        ) from failure
    other = _run(model, size, training)
    if found and len(found.features) > len(other.features):
        return found
    return other


def _without_values(config, scope, size, training) -> ModelFeatures | None:
    model = meta_model(config, scope)
    if model is None:
        return None
    return _run(copy.deepcopy(model), size, training)


def _without_auxiliary(feature: Feature, evaluated: Feature | None) -> Feature:
    """Keep the levels that a module returns in evaluation, too."""
    if evaluated is None or len(feature.levels) <= len(evaluated.levels):
        return feature
    pending = [level.shape for level in evaluated.levels]
    kept = []
    for level in reversed(feature.levels):
        if level.shape in pending:
            pending.remove(level.shape)
            kept.insert(0, level)
    return replace(feature, levels=tuple(kept))


def _has_shown_places(found: ModelFeatures) -> bool:
    children = dict(found.model.named_children())
    return all(
        place in found.features
        for place in _NAMED_PLACES
        if isinstance(children.get(place), nn.Module)
        and not isinstance(children[place], nn.ModuleList)
    )


def _built(config: Mapping[str, Any], scope: str) -> BaseModel:
    with (
        quiet(),
        preserved_random_state(devices=[]),
        DefaultScope.overwrite_default_scope(scope),
    ):
        # Some operators crash on weights that are whatever is in memory.
        return random_model(ConfigDict(config), 'model')


def _run(
    model: BaseModel, size: tuple[int, int] | None, training: bool
) -> ModelFeatures:
    set_mode(model, training)
    size = size or image_size(model)
    device = next(model.parameters()).device
    recorder = _Recorder(model)
    failure = ''
    with recorder.attached(), quiet(), preserved_random_state(devices=[]):
        try:
            run_forward(model, image(model, size, device), training)
        except Exception as error:  # a model may fail in any way
            failure = f'{type(error).__name__}: {error}'
    return ModelFeatures(
        model, size, recorder.features(size, training), failure
    )


def set_mode(model: nn.Module, training: bool) -> None:
    """Set a model to training or evaluation, its norms to evaluation."""
    model.train(training)
    for module in model.modules():
        if isinstance(module, _NormBase):
            module.eval()


def image(
    model: nn.Module, size: tuple[int, int], device: torch.device
) -> Tensor:
    """Return one image, as the data preprocessor would give it.

    Shape:
        - output: (1, channels, H, W)
    """
    mean = getattr(model.data_preprocessor, 'mean', None)
    channels = 3 if mean is None else mean.numel()
    if device.type == 'meta':
        return torch.empty(1, channels, *size, device='meta')
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, *size, generator=generator)


def run_forward(model: nn.Module, inputs: Tensor, gradients: bool) -> Any:
    """Run a model in mode 'tensor', as a teacher and a dry run do."""
    size = tuple(inputs.shape[2:])
    meta = dict.fromkeys(
        ('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape'), size
    )
    meta.update(scale_factor=(1.0, 1.0), img_id=0, img_path='')
    samples = [BaseDataElement(metainfo=meta)]
    with torch.set_grad_enabled(gradients), served_heads(model, samples):
        return model(inputs, samples, mode='tensor')


class _Recorder:
    """Keeps what every module returns in one forward.

    Args:
        model: Whose modules are looked at.
    """

    def __init__(self, model: nn.Module) -> None:
        self.modules = {name: m for name, m in model.named_modules() if name}
        self.outputs: dict[str, Any] = {}
        self.calls: dict[str, int] = {}

    @contextmanager
    def attached(self) -> Iterator[None]:
        handles = [
            module.register_forward_hook(self._hook(name))
            for name, module in self.modules.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, name: str) -> Callable:
        def record(module, inputs, output) -> None:
            self.calls[name] = self.calls.get(name, 0) + 1
            self.outputs.setdefault(name, output)

        return record

    def features(
        self, size: tuple[int, int], gradients: bool
    ) -> dict[str, Feature]:
        """Return what was recorded; tensors are alive until here."""
        returned: dict[int, list[str]] = {}
        for name, output in self.outputs.items():
            if isinstance(output, Tensor):
                returned.setdefault(id(output), []).append(name)
        features = {}
        for name, output in self.outputs.items():
            is_sequence = isinstance(output, list | tuple)
            levels = tuple(
                Level(
                    source=name,
                    index=index if is_sequence else None,
                    shape=tuple(tensor.shape),
                    image=size,
                    has_gradient=tensor.requires_grad if gradients else None,
                    aliases=_inside(name, returned.get(id(tensor), ())),
                )
                for index, tensor in enumerate(
                    output if is_sequence else [output]
                )
                if isinstance(tensor, Tensor) and tensor.dim() in (3, 4)
            )
            features[name] = Feature(
                name,
                type(self.modules[name]).__name__,
                levels,
                self.calls[name],
                len(output) if is_sequence else 1,
            )
        return features


def _inside(name: str, others) -> tuple[str, ...]:
    found = [other for other in others if other.startswith(f'{name}.')]
    return tuple(sorted(found, key=lambda other: other.count('.')))
