"""Forecasts the memory of a distillation before it trains, from shapes.

One training step of two images runs on torch's meta device, where tensors have
shapes and no values: the teacher's forward, the student's, the distill losses,
and the backward of all. What lives at a time is added up. Counted are tensors;
what kernels and the allocator take for themselves is not. The student runs
without labels, so that of its task loss only the heads count, and what follows
the proposals of a two-stage detector, or the encoder of a DETR, does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from cankd_mm.algorithms import FrozenTeacherDistill
from cankd_mm.algorithms.nested_tensors import tensors_in
from cankd_mm.algorithms.recorded_forward import records_needed
from cankd_mm.algorithms.served_heads import served_heads
from cankd_mm.config_checks.dry_forward import algorithm_of, arguments_of
from cankd_mm.config_checks.examined_config import ROLES, ExaminedConfig
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.config_checks.trial import built_on_meta
from cankd_mm.functional import chunks
from cankd_mm.losses.finite_inputs import values_unchecked
from cankd_mm.pairing.read_models import fixed_size
from cankd_mm.utils.config_walk import dicts, type_name
from cankd_mm.utils.live_tensors import LiveTensors
from cankd_mm.utils.random_state import preserved_random_state

MIB = 2**20
# Where the recipe does not tell: MMDetection's usual size.
_USUAL = (800, 1344)
_DIVISOR = 32
# More oblong scales are bounds that no image reaches.
_OBLONG = 3
_IMAGES = 2
_RESIZING = ('Resize', 'RandomResize', 'RandomChoiceResize')
# Tensors of a parameter's size that an optimizer keeps of each.
_STATES = dict(Adam=2, AdamW=2, RMSprop=1)


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes that training needs.

    Attributes:
        size: Height and width of the image.
        fixed: Weights of both models and of the distiller, gradients, and
            the optimizer's states.
        student: What the student's forward keeps for the backward, of one
            image.
        teacher: The most that the teacher's forward holds at once, likewise.
        losses: What connectors and distill losses keep, likewise.
        peak: The most that a step on one image holds beside ``fixed``. The
            teacher's forward is over when the student's begins, so that this
            is less than the sum.
        failure: Why the student's forward ended early, '' if it did not:
            what follows is not counted.
        is_size_known: Whether the recipe has the size; otherwise it is
            MMDetection's usual one.
    """

    size: tuple[int, int]
    fixed: int
    student: int
    teacher: int
    losses: int
    peak: int
    failure: str = ''
    is_size_known: bool = True

    def total(self, images: int) -> int:
        """Return the bytes of a step, on one device.

        Args:
            images: Images of a step.
        """
        return self.fixed + images * self.peak


def describe(forecast: MemoryForecast, images: int) -> str:
    """Return a forecast in a line.

    Args:
        forecast: What is described.
        images: Images of a step, on one device.
    """
    height, width = forecast.size
    parts = ', '.join(
        f'{name} {getattr(forecast, name) / MIB:.0f}'
        for name in ('student', 'teacher', 'losses')
    )
    left_out = ', without the parts that need values (proposals, encoders)'
    guess = ' (assumed: the recipe does not resize)'
    return (
        f'{forecast.total(images) / MIB:,.0f} MiB for {images} images of '
        f'{height}x{width}{"" if forecast.is_size_known else guess}: '
        f'{forecast.fixed / MIB:,.0f} fixed and '
        f'{forecast.peak / MIB:,.0f} for each (MiB: {parts})'
        f'{left_out if forecast.failure else ""}'
    )


def forecast_memory(
    cfg: Config, size: tuple[int, int] | None = None
) -> MemoryForecast:
    """Forecast the memory of a distillation.

    Args:
        cfg: A whole config of this package's algorithms.
        size: Height and width of the images, None for the largest of the
            recipe.

    Raises:
        ValueError: The config is no such distillation, or its models or
            losses cannot run without values. The message has the reason.
    """
    examined = ExaminedConfig(cfg)
    if not examined.is_frozen_teacher:
        raise ValueError(
            f'model.type={cfg.get("model", {}).get("type")!r}, expected '
            'FrozenTeacherDistill or LocalModuleDistill'
        )
    pair = [getattr(examined, role).on_meta for role in ROLES]
    for role, model in zip(ROLES, pair, strict=True):
        if model is None:
            reason = getattr(examined, role).failure_on_meta
            raise ValueError(f'the {role} cannot run without values: {reason}')
    found = size or training_size(cfg, examined.student.config)
    try:
        distilled = built_on_meta(
            algorithm_of(examined),
            arguments_of(examined),
            examined.scope,
            *pair,
        )
        forecast = _Step(distilled, found or _USUAL).forecast(cfg)
        return replace(forecast, is_size_known=found is not None)
    except Exception as failure:  # of a model, in any way
        reason = str(failure).partition('\n')[0]
        raise ValueError(
            'this pair cannot run without values (on the meta device): '
            f'{reason}'
        ) from failure


def training_size(cfg: Config, student: Any) -> tuple[int, int] | None:
    """Return the largest size of the images that a recipe trains on.

    Args:
        cfg: A whole config.
        student: The student's.

    Returns:
        Height and width, padded as detectors need it; None where the recipe
        does not resize.
    """
    if found := fixed_size(cfg, student):
        return found
    scales = []
    for _, step in dicts(cfg.get('train_dataloader') or {}):
        if type_name(step) in _RESIZING:
            for key in ('scale', 'scales'):
                value = step.get(key) or ()
                scales += [value] if _is_scale(value) else value
    scales = [s for s in scales if _is_scale(s) and max(s) <= _OBLONG * min(s)]
    if not scales:
        return None
    sides = max((sorted(scale) for scale in scales), key=lambda s: s[0] * s[1])
    return tuple(-(-side // _DIVISOR) * _DIVISOR for side in sides)


def _is_scale(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(side, int) and side > 0 for side in value)
    )


class _Step:
    """A training step of two images on the meta device.

    Args:
        model: The pair; its tensors have no values.
        size: Height and width of the image.
    """

    def __init__(
        self, model: FrozenTeacherDistill, size: tuple[int, int]
    ) -> None:
        self.model = model.to('meta').train()
        self.size = size
        self.failure = ''

    def forecast(self, cfg: Config) -> MemoryForecast:
        model, teacher = self.model, self.model._teacher.model
        trained = [p for p in model.parameters() if p.requires_grad]
        for parameter in trained:
            # There already, as in every step but the first.
            parameter.grad = torch.empty_like(parameter)
        weights = [
            *model.parameters(),
            *model.buffers(),
            *teacher.parameters(),
            *teacher.buffers(),
        ]
        images = self._images()
        held = [*weights, *(p.grad for p in trained), images[0]]
        with (
            quiet(),
            preserved_random_state(devices=[]),
            values_unchecked(),
            _chunks_of_this_machine(),
            LiveTensors(held) as memory,
        ):
            model._run_teacher(*images)
            teacher_peak, records = memory.peak, memory.live
            with _outputs_kept(model) as kept:
                self._run_student(images)
                student = memory.live - records
                losses = self._losses()
                compared = memory.live - records - student
                total = sum(t.sum() for t in [*kept, *losses])
                kept.clear()
                del losses
            total.backward()
            peak = memory.peak
            model._forget_records()
        gradients = sum(map(_bytes, trained))
        states = _states(cfg.get('optim_wrapper') or {})
        return MemoryForecast(
            size=self.size,
            fixed=sum(map(_bytes, weights)) + gradients * (1 + states),
            student=student // _IMAGES,
            teacher=teacher_peak // _IMAGES,
            losses=compared // _IMAGES,
            peak=peak // _IMAGES,
            failure=self.failure,
        )

    def _images(self) -> tuple[Tensor, list[BaseDataElement]]:
        mean = getattr(self.model.data_preprocessor, 'mean', None)
        channels = 3 if mean is None else mean.numel()
        meta = dict.fromkeys(
            ('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape'),
            self.size,
        )
        sample = BaseDataElement(
            metainfo=dict(meta, scale_factor=(1.0, 1.0), img_id=0)
        )
        # Norms after global pooling have no statistics of one image.
        image = torch.empty(_IMAGES, channels, *self.size, device='meta')
        return image, [sample] * _IMAGES

    def _run_student(self, images: tuple) -> None:
        model = self.model
        with model._student_records.of(model), served_heads(model, images[1]):
            try:
                model(*images, mode='tensor')
            except Exception as failure:  # heads may need values
                self.failure = f'{type(failure).__name__}: {failure}'

    def _losses(self) -> list[Tensor]:
        """Compute the distill losses of what is recorded without labels."""
        model = self.model
        needed = records_needed(
            model.distiller.loss_forward_mappings, from_student=True
        )
        untried = [
            name
            for name, count in needed.items()
            if not model._student_records.has(name, count)
        ]
        losses = model._try_losses(untried).values()
        return [loss for loss in losses if loss is not None]


@contextmanager
def _chunks_of_this_machine() -> Iterator[None]:
    """Cut large maps as on a CPU, where there is no other device."""
    before = chunks.DEVICE_ELEMENTS
    if get_device() == 'cpu':
        chunks.DEVICE_ELEMENTS = chunks.CPU_ELEMENTS
    try:
        yield
    finally:
        chunks.DEVICE_ELEMENTS = before


@contextmanager
def _outputs_kept(model: nn.Module) -> Iterator[list[Tensor]]:
    """Keep what the parts of a model return, and with it their graphs.

    A forward that fails would let them go, which training does not.
    """
    kept: list[Tensor] = []

    def keep(module, inputs, output) -> None:
        # Of frozen layers training keeps nothing.
        kept.extend(t for t in tensors_in(output) if t.requires_grad)

    handles = [
        module.register_forward_hook(keep)
        for name, module in model.named_modules()
        if name and name.count('.') < 2 and not name.startswith('distiller')
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def _states(wrapper: Any) -> int:
    optimizer = wrapper.get('optimizer') or {}
    kind = type_name(optimizer)
    return _STATES.get(kind, 1 if optimizer.get('momentum') else 0)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
