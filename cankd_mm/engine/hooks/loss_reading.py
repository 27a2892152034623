"""The losses of one iteration, read without waiting for the device."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

_MOST_IMAGES = 16


@dataclass(frozen=True)
class LossReading:
    """What is worth knowing of an iteration whose loss is not finite.

    Attributes:
        iteration: Its number, from 1.
        epoch: The number of its epoch, from 1.
        names: The names of its losses.
        values: Their values in the host's memory, (len(names),).
        copied: When it has happened, ``values`` are there. None if they are
            there already.
        images: Paths of the batch's images.
        learning_rates: By the optimizer's names, one for each group.
    """

    iteration: int
    epoch: int
    names: list[str]
    values: Tensor
    copied: 'torch.cuda.Event | None'
    images: list[str]
    learning_rates: Mapping[str, list[float]]

    @classmethod
    def of(
        cls, runner, data_batch: Any, outputs: Mapping[str, Any] | None
    ) -> 'LossReading':
        """Start to copy the losses that a training step has returned.

        Only CUDA copies in the background. Of another accelerator each
        iteration waits for its losses.

        Args:
            runner: In ``after_train_iter``.
            data_batch: What the data loader gave.
            outputs: Values to log by name; those with 'loss' in their name
                are losses, as MMEngine has it.
        """
        losses = {k: v for k, v in (outputs or {}).items() if 'loss' in k}
        values, copied = _to_host(list(losses.values()))
        return cls(
            runner.iter + 1,
            runner.epoch + 1,
            list(losses),
            values,
            copied,
            list(_images(data_batch)),
            runner.optim_wrapper.get_lr(),
        )

    def is_finite(self) -> bool:
        """Return whether all losses are, once they are copied."""
        if self.copied is not None:
            self.copied.synchronize()
        return bool(torch.isfinite(self.values).all())

    def __str__(self) -> str:
        """The losses that are not finite, and the others."""
        values = dict(zip(self.names, self.values.tolist(), strict=True))
        finite = torch.isfinite(self.values).tolist()
        bad, good = (
            ', '.join(
                f'{name}={value:.6g}'
                for (name, value), is_finite in zip(
                    values.items(), finite, strict=True
                )
                if is_finite == wanted
            )
            for wanted in (False, True)
        )
        return f'{bad or "no loss"} not finite; finite: {good or "none"}'

    def image_list(self) -> str:
        """The images, a line each."""
        lines = [f'    {image}' for image in self.images[:_MOST_IMAGES]]
        if len(self.images) > _MOST_IMAGES:
            lines.append(f'    and {len(self.images) - _MOST_IMAGES} more')
        return '\n'.join(lines) or '    (the batch names none)'

    def learning_rate_list(self) -> str:
        """The learning rates, each once."""
        return ', '.join(
            f'{name} '
            + ', '.join(f'{rate:.6g}' for rate in dict.fromkeys(rates))
            for name, rates in self.learning_rates.items()
        )


def _to_host(values: list) -> tuple[Tensor, 'torch.cuda.Event | None']:
    """The values in one tensor on the host, and when they are there."""
    if not values:
        return torch.empty(0), None
    device = next(
        (v.device for v in values if isinstance(v, Tensor)),
        torch.device('cpu'),
    )
    found = torch.stack([_scalar(value, device) for value in values])
    if found.device.type != 'cuda':
        return found.cpu(), None
    # Into pinned memory: a copy into other memory waits for the device.
    host = torch.empty_like(found, device='cpu', pin_memory=True)
    host.copy_(found, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(found.device))
    return host, copied


def _scalar(value: Any, device: torch.device) -> Tensor:
    value = torch.as_tensor(value, device=device).detach()
    return (value if value.is_floating_point() else value.float()).mean()


def _images(data_batch: Any) -> Iterator[str]:
    """Paths, or else ids, of all images in a nest of data samples."""
    if isinstance(data_batch, BaseDataElement):
        path = data_batch.get('img_path')
        if not path:
            path = f'img_id={data_batch.get("img_id")}'
        yield str(path)
    elif isinstance(data_batch, Mapping):
        for value in data_batch.values():
            yield from _images(value)
    elif isinstance(data_batch, list | tuple):
        for value in data_batch:
            yield from _images(value)
