"""Back-propagates a local module's loss while the student still runs."""

from collections.abc import Callable, Sequence

from mmengine.optim import OptimWrapper
from mmrazor.models.task_modules import RecorderManager
from mmrazor.models.task_modules.recorder import (
    ModuleOutputsRecorder,
    ParameterRecorder,
)
from torch import Tensor, nn

from cankd_mm.algorithms.detached_loss import detached_loss
from cankd_mm.algorithms.local_modules import LocalModule, compute_loss
from cankd_mm.utils.levels import no_autocast


class LocalBackward:
    """One training step's early backwards; a context for the forward.

    As soon as every record of a loss is there, the loss is computed, scaled
    as the optimizer's wrapper scales the task loss, and back-propagated into
    ``.grad``. Its records are dropped. What the module's graph held is free
    as soon as nothing else refers to it: at once after ``on='output'``; with
    ``on='input'`` the graph lives on as long as another path may use it (the
    lateral convolution of an FPN, the list of a backbone's outputs), since
    the task loss has to come back through it.

    Args:
        model: The distillation, with filled recorders of the teacher.
        modules: Its local modules.
        weight_of: The weight of a distill loss in this step.
        optim_wrapper: Scales losses and runs the backward. Its count of
            backwards is left as it was: the step is still one step.

    Attributes:
        values: The weighted value of each loss that was back-propagated. It
            is only the value, with a gradient of exactly 0 for every
            parameter that the loss has trained already. Summed with the other
            losses it leaves the logged total as it is, and lets
            ``DistributedDataParallel``, which waits for a gradient of each
            parameter in the last backward, reduce what was accumulated.
    """

    def __init__(
        self,
        model: nn.Module,
        modules: Sequence[LocalModule],
        weight_of: Callable[[str], float],
        optim_wrapper: OptimWrapper,
    ) -> None:
        self.model = model
        self.weight_of = weight_of
        self.optim_wrapper = optim_wrapper
        self.values: dict[str, Tensor] = {}
        self._pending = {
            name: module for module in modules for name in module.early_losses
        }
        self._parameters = dict(model.named_parameters())
        self._handles: list = []

    def __enter__(self) -> 'LocalBackward':
        """Watch the recorded modules, after the recorders' own hooks."""
        recorders = self.model.distiller.student_recorders
        sources = {
            recorders.get_recorder(record['recorder']).source
            for name in self._pending
            for record in self._records(name, from_student=True)
            if isinstance(
                recorders.get_recorder(record['recorder']),
                ModuleOutputsRecorder,
            )
        }
        self._handles = [
            self.model.student.get_submodule(source).register_forward_hook(
                self._after_module
            )
            for source in sources
        ]
        return self

    def __exit__(self, *error) -> None:
        """Stops watching."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _after_module(self, *_) -> None:
        for name in list(self._pending):
            if all(
                _is_there(self.model.distiller.student_recorders, record)
                for record in self._records(name, from_student=True)
            ):
                self._run(name)

    def _run(self, name: str) -> None:
        module = self._pending.pop(name)
        trained = [self._parameters[key] for key in sorted(module.trained)]
        if not self.weight_of(name):
            # 0 times a loss that is not finite would reach the gradients.
            self.values[name] = detached_loss(
                trained[0].new_zeros(()), trained
            )
            self._forget_records(name)
            return
        loss = compute_loss(self.model.distiller, name)
        if not loss.requires_grad:
            raise RuntimeError(
                f'model.local_backward=True: {name} has no gradient, since '
                'its features were recorded without one. This happens inside '
                'a module that is checkpointed as a whole (activation '
                'checkpointing, reentrant); checkpoint smaller modules, or '
                'set model.local_backward=False'
            )
        loss = self.weight_of(name) * loss
        self._forget_records(name)
        self._back_propagate(loss)
        self.values[name] = detached_loss(loss, trained)

    def _back_propagate(self, loss: Tensor) -> None:
        wrapper = self.optim_wrapper
        loss = wrapper.scale_loss(loss)
        # It counts steps, by the backwards that it is asked for.
        count = wrapper._inner_count
        try:
            with no_autocast(loss):
                # Not freed by the backward but by the last reference: only
                # the graph's owners know whether the task loss needs it, too.
                wrapper.backward(loss, retain_graph=True)
        finally:
            wrapper._inner_count = count

    def _records(self, name: str, from_student: bool) -> list[dict]:
        arguments = self.model.distiller.loss_forward_mappings[name]
        return [
            record
            for record in arguments.values()
            if record['from_student'] == from_student
        ]

    def _forget_records(self, done: str) -> None:
        """Drops what the loss has used and no other one will."""
        distiller = self.model.distiller
        for from_student, manager in (
            (True, distiller.student_recorders),
            (False, distiller.teacher_recorders),
        ):
            waiting = {
                record['recorder']
                for name in distiller.loss_forward_mappings
                if name not in self.values and name != done
                for record in self._records(name, from_student)
            }
            for record in self._records(done, from_student):
                recorder = manager.get_recorder(record['recorder'])
                if record['recorder'] not in waiting and not isinstance(
                    recorder, ParameterRecorder
                ):
                    # Emptied in place: recorders of functions hold the list.
                    recorder.data_buffer[:] = [None] * len(
                        recorder.data_buffer
                    )


def _is_there(recorders: RecorderManager, record: dict) -> bool:
    recorder = recorders.get_recorder(record['recorder'])
    return isinstance(recorder, ParameterRecorder) or (
        len(recorder.data_buffer) > record.get('record_idx', 0)
    )
