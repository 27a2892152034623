"""Builds models without memory for their weights, to look at their shapes."""

import copy
import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from mmcv.ops import DeformConv2d, ModulatedDeformConv2d
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import BaseDataElement
from torch import nn
from torch.overrides import TorchFunctionMode

from cankd_mm.config_checks.quiet import quiet
from cankd_mm.utils.random_state import preserved_random_state

# Weights are made by these. Not by `linspace` or `arange`, whose numbers
# constructors read (drop path rates, window indices).
_WEIGHT_MAKERS = {
    torch.empty,
    torch.full,
    torch.ones,
    torch.rand,
    torch.randn,
    torch.zeros,
}
_IMAGE_SIZE = (512, 512)

# One record: the shape of a tensor, or of each level of a tuple; None for
# anything else.
Record = torch.Size | tuple[torch.Size | None, ...] | None


class _EmptyWeights(TorchFunctionMode):
    """Puts new weights on torch's meta device."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in _WEIGHT_MAKERS:
            kwargs['device'] = 'meta'
        return func(*args, **kwargs)


class _EverythingRecorded(BaseException):
    """Leaves a forward early; no model's ``except Exception`` catches it."""


def meta_model(config: Mapping, scope: str) -> BaseModel | None:
    """A model whose weights have shapes and no values.

    Equal configs get the same model: read it, do not change it.

    Args:
        config: The model's.
        scope: The registry scope that its types are looked up in.

    Returns:
        The model in evaluation mode; None for one that needs values to be
        built, or that cannot be built at all.
    """
    return _cached_model(_Hashable(config), scope)[0]


def meta_failure(config: Mapping, scope: str) -> Exception | None:
    """What :func:`meta_model` failed with.

    Args:
        config: The model's.
        scope: The registry scope that its types are looked up in.

    Returns:
        None where there is a model.
    """
    return _cached_model(_Hashable(config), scope)[1]


@contextmanager
def empty_weights(scope: str) -> Iterator[None]:
    """Build models in this context without memory for their weights.

    Nothing is logged, and no random number is drawn.

    Args:
        scope: The registry scope that types are looked up in.
    """
    with (
        quiet(),
        preserved_random_state(devices=[]),
        DefaultScope.overwrite_default_scope(scope),
        _EmptyWeights(),
    ):
        yield


class _Hashable:
    """A model config as a key of a cache."""

    def __init__(self, config: Mapping) -> None:
        self.config = config
        self._text = repr(config)

    def __eq__(self, other) -> bool:
        return self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@functools.lru_cache(maxsize=128)
def _cached_model(
    key: _Hashable, scope: str
) -> tuple[BaseModel | None, Exception | None]:
    config = ConfigDict(copy.deepcopy(key.config))
    try:
        with empty_weights(scope):
            model = MODELS.build(config)
            # Its values are a few numbers, which others compare.
            preprocessor = model._modules.pop('data_preprocessor', None)
            model = model.to('meta')
            if preprocessor is not None:
                model.data_preprocessor = preprocessor
            model.eval()  # returns nothing where a model overrides `train`
    except Exception as failure:
        # It is kept, and what its frames hold is not.
        failure.__cause__ = failure.__context__ = None
        return None, failure.with_traceback(None)
    for module in model.modules():
        if isinstance(module, DeformConv2d | ModulatedDeformConv2d):
            # Where it looks does not change the shape of what it gives.
            module.forward = functools.partial(_plain_convolution, module)
    return model, None


def _plain_convolution(module: nn.Module, x: torch.Tensor, *_) -> torch.Tensor:
    return F.conv2d(
        x,
        module.weight,
        None,
        module.stride,
        module.padding,
        module.dilation,
        module.groups,
    )


def recorded_shapes(
    model: BaseModel,
    needed: Mapping[str, int],
    size: tuple[int, int] | None = None,
) -> tuple[dict[str, list[Record]], tuple[int, int]]:
    """Shapes that modules give in one forward, which ends with the last.

    Args:
        model: What :func:`meta_model` returned.
        needed: The modules' names, and how many calls of each to wait for.
        size: Height and width of the image, None for those that the model's
            images are padded to, or 512x512.

    Returns:
        Of each module the shapes of its outputs, call by call, as far as the
        forward goes without values; and height and width of the image.
    """
    size = size or _image_size(model)
    return _cached_shapes(model, tuple(needed.items()), size)


@functools.lru_cache(maxsize=256)
def _cached_shapes(
    model: BaseModel,
    calls: tuple[tuple[str, int], ...],
    size: tuple[int, int],
) -> tuple[dict[str, list[Record]], tuple[int, int]]:
    modules, needed = dict(model.named_modules()), dict(calls)
    records: dict[str, list[Record]] = {
        source: [] for source in needed if source in modules
    }

    def hook_of(source: str):
        def hook(module, inputs, output):
            records[source].append(_shape(output))
            if all(len(records[s]) >= needed[s] for s in records):
                raise _EverythingRecorded

        return hook

    handles = [
        modules[source].register_forward_hook(hook_of(source))
        for source in records
    ]
    meta = dict.fromkeys(
        ('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape'), size
    )
    meta['scale_factor'] = (1.0, 1.0)
    image = torch.empty(1, _channels(model), *size, device='meta')
    try:
        if records:
            with quiet(), preserved_random_state(devices=[]), torch.no_grad():
                sample = BaseDataElement(metainfo=meta)
                model(image, [sample], mode='tensor')
    except (_EverythingRecorded, Exception):
        pass
    finally:
        for handle in handles:
            handle.remove()
    return records, size


def _shape(value) -> Record:
    if isinstance(value, torch.Tensor):
        return value.shape
    if isinstance(value, list | tuple):
        return tuple(
            item.shape if isinstance(item, torch.Tensor) else None
            for item in value
        )
    return None


def _image_size(model: BaseModel) -> tuple[int, int]:
    # Segmentors pad to their crops, and some transformers take no other size.
    size = getattr(model.data_preprocessor, 'size', None)
    if isinstance(size, list | tuple) and len(size) == 2:
        return tuple(size)
    return _IMAGE_SIZE


def _channels(model: BaseModel) -> int:
    mean = getattr(model.data_preprocessor, 'mean', None)
    return 3 if mean is None else mean.numel()
