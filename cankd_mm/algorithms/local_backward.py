"""Back-propagates a local module's loss while the student still runs."""

from collections.abc import Callable, Sequence

from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from cankd_mm.algorithms.detached_loss import detached_loss
from cankd_mm.algorithms.distill_losses import compute_loss
from cankd_mm.algorithms.local_modules import LocalModule
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
        model: The distilled student, with filled recorders of the teacher.
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
        modules = self.model._student_records.recorded_modules(self.model)
        names = {
            record['recorder']
            for name in self._pending
            for record in self._records(name, from_student=True)
        }
        self._handles = [
            modules[name].register_forward_hook(self._after_module)
            for name in names & modules.keys()
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
                self.model._student_records.has(
                    record['recorder'], record.get('record_idx', 0) + 1
                )
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
        self.model._require_unchanged(name)
        loss = compute_loss(self.model.distiller, name, 'in training')
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
        for from_student, records in (
            (True, self.model._student_records),
            (False, self.model._teacher_forward.records),
        ):
            waiting = {
                record['recorder']
                for name in self.model.distiller.loss_forward_mappings
                if name not in self.values and name != done
                for record in self._records(name, from_student)
            }
            for record in self._records(done, from_student):
                if record['recorder'] not in waiting:
                    records.drop(record['recorder'])
