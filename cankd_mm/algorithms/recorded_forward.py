"""Runs a model just as far as its recorders need."""

from collections.abc import Mapping, Sequence

import torch
from mmengine.structures import BaseDataElement
from torch import nn

from cankd_mm.algorithms.records import Records
from cankd_mm.algorithms.served_heads import served_heads


class _AllRecorded(BaseException):
    """Leaves a forward early.

    Not an ``Exception``, so that no ``except Exception`` inside a model can
    swallow it.
    """


class RecordedForward:
    """Calls a model in tensor mode and leaves it once all is recorded.

    What comes after the last recorded module (heads, losses, sampling,
    post-processing) is not run, whatever the architecture.

    Args:
        records: What is recorded.
        needed: How many records of each recorder are used. A recorder that
            is not named here is not waited for.
        whole: Always run the forward to its end.
    """

    def __init__(
        self,
        records: Records,
        needed: Mapping[str, int],
        whole: bool = False,
    ) -> None:
        self.records = records
        self.needed = dict(needed)
        self.whole = whole

    def __call__(
        self,
        model: nn.Module,
        inputs: torch.Tensor,
        data_samples: list[BaseDataElement] | None = None,
    ) -> None:
        """Fills the recorders.

        Args:
            model: The model that they record.
            inputs: A batch as the data preprocessor returns it, (B, C, H, W).
            data_samples: Their meta information (image sizes) is handed on,
                their labels are not.
        """
        with self.records.of(model):
            if not self.pending() and not self.whole:
                return
            # After the recorders' own.
            handles = [
                module.register_forward_hook(self._leave_when_all_recorded)
                for module in self._last_modules(model)
            ]
            data_samples = without_labels(data_samples, inputs.shape[-2:])
            try:
                with served_heads(model, data_samples):
                    model(inputs, data_samples, mode='tensor')
            except _AllRecorded:
                pass
            finally:
                for handle in handles:
                    handle.remove()

    def pending(self) -> list[str]:
        """Names of recorders that still lack a record."""
        return [
            name
            for name, count in self.needed.items()
            if not self.records.has(name, count)
        ]

    def _last_modules(self, model: nn.Module) -> list[nn.Module]:
        """Modules after which all may be recorded."""
        if self.whole:
            return []
        modules = self.records.recorded_modules(model)
        return [modules[name] for name in self.needed if name in modules]

    def _leave_when_all_recorded(self, module, inputs, outputs) -> None:
        if not self.pending():
            raise _AllRecorded


def without_labels(
    data_samples: list[BaseDataElement] | None, size: Sequence[int]
) -> list[BaseDataElement] | None:
    """Return copies with only the meta information.

    Args:
        data_samples: The batch's.
        size: Height and width of the batch, which heads from MMDetection
            read and MMSegmentation's preprocessor does not tell.
    """
    if data_samples is None:
        return None
    told = dict(batch_input_shape=tuple(size))
    return [
        type(sample)(metainfo={**told, **sample.metainfo})
        for sample in data_samples
    ]


def records_needed(
    loss_forward_mappings: Mapping[str, Mapping[str, Mapping]],
    from_student: bool,
) -> dict[str, int]:
    """How many records of each recorder the losses use.

    Args:
        loss_forward_mappings: As in MMRazor's ``ConfigurableDistiller``.
        from_student: Count the student's recorders, or the teacher's.
    """
    needed: dict[str, int] = {}
    for arguments in loss_forward_mappings.values():
        for record in arguments.values():
            if record['from_student'] == from_student:
                index = record.get('record_idx', 0)
                # -1 is the last of at least one.
                count = index + 1 if index >= 0 else -index
                name = record['recorder']
                needed[name] = max(needed.get(name, 0), count)
    return needed


def counts_from_the_end(
    loss_forward_mappings: Mapping[str, Mapping[str, Mapping]],
) -> bool:
    """Whether a loss uses a record that is known only at the end.

    Args:
        loss_forward_mappings: As in MMRazor's ``ConfigurableDistiller``.
    """
    return any(
        record.get('record_idx', 0) < 0
        for arguments in loss_forward_mappings.values()
        for record in arguments.values()
    )
