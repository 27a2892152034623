"""What a student becomes while it is distilled: itself, and a teacher."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from inspect import Parameter, ismethod, signature
from types import MappingProxyType
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.utils import add_prefix
from torch import Tensor, nn

from cankd_mm.algorithms.detached_loss import detached_loss
from cankd_mm.algorithms.distill_losses import compute_loss
from cankd_mm.algorithms.dry_run import TeacherFault
from cankd_mm.algorithms.frozen_teacher import FrozenTeacher
from cankd_mm.algorithms.record_gradients import check_gradients
from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.algorithms.records import Records
from cankd_mm.losses.finite_inputs import values_unchecked
from cankd_mm.utils.checkpoint import rename_old_keys
from cankd_mm.utils.model_config import build_model

_RESERVED = (
    'distiller',
    'student',
    'teacher',
    'architecture',
    'distills',
    'distill_weight',
    'plain',
)
# Arguments by the ends of their names: MMDetection says `batch_inputs`, too.
_SIGNATURES = dict(
    forward=('inputs', 'data_samples', 'mode'), loss=('inputs', 'data_samples')
)


class Distilled:
    """Mixed into the class of a student that a teacher distils.

    The student is extended in place, as ``fully_shard`` of torch extends a
    module: a ``RetinaNet`` becomes a ``DistilledRetinaNet``. To everything
    that is not distillation it is the student that it was: class, attributes,
    names of modules and parameters, checkpoint keys, evaluation. New are

    - one child, ``distiller``, whose parameters train with the student's;
    - ``teacher``, which is held outside of the student's modules;
    - :meth:`loss`, which adds the distill losses to the student's own.

    Args:
        architecture: The student: a config or a model. It is the first
            argument of every subclass.

    Attributes:
        distiller: A :class:`mmrazor.models.ConfigurableDistiller`.
        distill_weight: Factor on every distill loss.
        distillation_stopped: Whether the student learns only from the task.
            MMRazor's ``StopDistillHook`` sets it.
    """

    distiller: ConfigurableDistiller
    distill_weight: float
    distillation_stopped = False

    _teacher: FrozenTeacher
    _teacher_forward: RecordedForward
    _student_records: Records
    # By their names in the distiller.
    _distiller_norms: Mapping[str, nn.Module] = MappingProxyType({})
    # Whether `__init__` has come to its end.
    _is_built = False
    # What was a warning because the weight was 0 at build time.
    _teacher_fault: str | None = None

    def __new__(cls, architecture=None, *args, **kwargs) -> 'Distilled':
        """Build the student and extend its class.

        ``__init__`` then adds the rest to the student.

        Raises:
            ValueError: The student has attributes that a distilled one needs
                for itself.
        """
        student = build_model(architecture, 'model.architecture')
        _check_student(student)
        student.__class__ = _extended(cls, type(student))
        return student

    def __reduce_ex__(self, protocol: int) -> tuple:
        """Pickle and copy a model, though no module holds its class."""
        reduced = super().__reduce_ex__(protocol)
        bases = type(self).__bases__
        if not issubclass(bases[0], Distilled):
            return reduced  # someone has extended the class once more
        return _empty, bases, *reduced[2:]

    # ------------------------------------------------------------ the models

    @property
    def student(self) -> BaseModel:
        """The model itself; MMRazor's components ask for this name."""
        return self

    @property
    def architecture(self) -> BaseModel:
        """The model itself; MMRazor's components ask for this name."""
        return self

    @property
    def teacher(self) -> BaseModel:
        """The frozen teacher."""
        return self._teacher.model

    @property
    def distills(self) -> bool:
        """Whether training uses the teacher."""
        return bool(self.distill_weight) and not self.distillation_stopped

    @contextmanager
    def plain(self) -> Iterator[None]:
        """In this context the student has no distiller among its modules."""
        distiller = self._modules.pop('distiller')
        try:
            yield
        finally:
            self._modules['distiller'] = distiller

    def _apply(self, fn: Callable[[Tensor], Tensor], *args, **kwargs):
        """Move student, distiller and teacher."""
        self._teacher.apply(fn)
        return super()._apply(fn, *args, **kwargs)

    def train(self, mode: bool = True) -> 'Distilled':
        """Set the mode of student and distiller, never the teacher's."""
        self._keep_norms()
        super().train(mode)
        return self

    def _keep_norms(self) -> None:
        """Give the distiller back the norms that its config names.

        ``sync_bn`` of a runner is for the student. It replaces the norms of
        all modules by ones that share their parameters and statistics.
        """
        if 'distiller' not in self._modules:
            return  # in `plain`
        for path, norm in self._distiller_norms.items():
            parent, _, name = path.rpartition('.')
            self.distiller.get_submodule(parent)._modules[name] = norm

    # ----------------------------------------------------------------- train

    def forward(
        self,
        inputs: Tensor,
        data_samples: Any = None,
        mode: str = 'tensor',
        **kwargs,
    ) -> Any:
        """Run the student; in mode 'loss', with its teacher.

        Args:
            inputs: Images as the student's preprocessor returns them.
            data_samples: Their annotations.
            mode: 'tensor', 'predict' or 'loss'.
            kwargs: Further arguments that the student takes.

        Shape:
            - inputs: (B, C, H, W)

        Raises:
            RuntimeError: The student computes its losses past its ``loss``,
                so that nothing is distilled.
        """
        if mode != 'loss':
            return super().forward(inputs, data_samples, mode=mode, **kwargs)
        if not hasattr(super(), 'loss'):
            return self.loss(inputs, data_samples, **kwargs)
        losses = super().forward(inputs, data_samples, mode=mode, **kwargs)
        self._require_distilled(losses)
        return losses

    def _task_losses(self, *args, **kwargs) -> dict:
        """The student's own losses."""
        if hasattr(super(), 'loss'):
            return super().loss(*args, **kwargs)
        # It computes them in `forward`, as MMEngine's examples do.
        return super().forward(*args, mode='loss', **kwargs)

    def _require_distilled(self, losses: dict) -> None:
        names = self._loss_names()
        if names and f'distill.{names[0]}' not in losses:
            raise RuntimeError(
                f"{type(self).__name__}.forward in mode 'loss' does not call "
                'self.loss, so nothing is distilled. Let it call the method '
                'that its class has'
            )

    def loss(self, *args, **kwargs) -> dict[str, Any]:
        """Compute the student's losses and the distill losses.

        Args:
            args: As the student's own ``loss`` takes them: images as its
                preprocessor returns them, and their annotations, which only
                the student sees.
            kwargs: The same, by the names that they have there.

        Returns:
            The student's losses under their own names and the distill losses,
            times ``distill_weight``, under ``distill.*``. With a weight of 0,
            or once distillation is stopped, only the student runs; the
            distill losses are 0, with a gradient of 0 for every parameter of
            the distiller.

        Shape:
            - images: (B, C, H, W)

        Raises:
            RuntimeError: A distill loss has no gradient for the student, or
                the student has changed a record.
            TeacherFault: ``distill_weight`` was 0 at build time, where a
                fault of the teacher was a warning.
            ValueError: A loss does not fit its features.
        """
        if not self.distills:
            losses = self._task_losses(*args, **kwargs)
            return {**losses, **add_prefix(self._zero_losses(), 'distill')}
        if self._teacher_fault:
            raise TeacherFault(self._teacher_fault)
        distiller = self.distiller
        try:
            # The guard of the run looks at the losses.
            with values_unchecked():
                distiller.set_deliveries_override(False)
                with distiller.deliveries:
                    self._run_teacher(*_batch(args, kwargs))
                distiller.set_deliveries_override(True)
                with self._student_records.of(self), distiller.deliveries:
                    losses = self._task_losses(*args, **kwargs)
                distill_losses = self._distill_losses()
        finally:
            self._forget_records()
        return {**losses, **add_prefix(distill_losses, 'distill')}

    def _run_teacher(
        self, inputs: Tensor, data_samples: list[BaseDataElement] | None
    ) -> None:
        self._teacher.run(self._teacher_forward, inputs, data_samples)

    def _distill_losses(self) -> dict[str, Tensor]:
        """The weighted distill losses of what is recorded."""
        self._check_gradients()
        return {
            name: self._distill_loss(name)
            for name in self.distiller.loss_forward_mappings
        }

    def _distill_loss(self, name: str) -> Tensor:
        """One distill loss of what is recorded, weighted.

        A name without 'loss' is a statistic and has no weight.
        """
        self._require_unchanged(name)
        value = compute_loss(self.distiller, name, 'in training')
        return value * self._weight_of(name) if 'loss' in name else value

    def _require_unchanged(self, name: str) -> None:
        """Raise if a model has changed what a loss uses."""
        for record in self.distiller.loss_forward_mappings[name].values():
            records = (
                self._student_records
                if record['from_student']
                else self._teacher_forward.records
            )
            records.require_unchanged(record['recorder'])

    def _weight_of(self, name: str) -> float:
        """The factor on one distill loss."""
        return self.distill_weight

    def _check_gradients(self) -> None:
        if self.training and torch.is_grad_enabled():
            check_gradients(self.distiller)

    def _loss_names(self) -> list[str]:
        """Names of the distill losses, statistics left out."""
        return [n for n in self.distiller.loss_forward_mappings if 'loss' in n]

    def _zero_losses(self) -> dict[str, Tensor]:
        """Zeros for all distill losses, in place of their last values.

        MMEngine repeats the last value of a name that is reported no more.
        """
        names = self._loss_names()
        losses = dict.fromkeys(names, self._zero_loss())
        if names:
            losses[names[0]] = self._zero_loss(self.distiller.parameters())
        return losses

    def _zero_loss(self, parameters: Iterable[nn.Parameter] = ()) -> Tensor:
        """A loss of 0 that gives parameters a gradient of 0."""
        zero = next(self.parameters()).new_zeros(())
        return detached_loss(zero, [p for p in parameters if p.requires_grad])

    def _forget_records(self) -> None:
        """Frees the features and lets ``copy.deepcopy`` work."""
        self._student_records.forget()
        self._teacher_forward.records.forget()

    # ----------------------------------------------------------- checkpoints

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args
    ) -> None:
        """Load a checkpoint, also one whose student was a submodule.

        A plain checkpoint of the student lacks nothing: the distiller stays.
        """
        rename_old_keys(state_dict, prefix)
        own = f'{prefix}distiller.'
        # `student_ckpt` is loaded before there is one.
        distiller = self._modules.get('distiller')
        if distiller and not any(key.startswith(own) for key in state_dict):
            state_dict.update(distiller.state_dict(prefix=own))
        super()._load_from_state_dict(state_dict, prefix, *args)


@cache
def _extended(extension: type[Distilled], kind: type[BaseModel]) -> type:
    return type(
        f'Distilled{kind.__name__}',
        (extension, kind),
        {'__module__': kind.__module__},
    )


def _empty(extension: type[Distilled], kind: type[BaseModel]) -> Distilled:
    """A model that its state still has to fill."""
    return nn.Module.__new__(_extended(extension, kind))


def _batch(args: Sequence, kwargs: Mapping[str, Any]) -> list:
    """Images and annotations among the arguments of a student's ``loss``."""
    batch = list(args[:2])
    for name in _SIGNATURES['loss'][len(batch) :]:
        found = (v for k, v in kwargs.items() if k.endswith(name))
        batch.append(next(found, None))
    return batch


def _check_student(student: BaseModel) -> None:
    if isinstance(student, Distilled):
        state = (
            'is distilled already'
            if student._is_built
            else 'was given to a distillation that could not be built'
        )
        raise ValueError(
            f'model.architecture {state}. Give every distillation a student '
            'of its own: a config, or a model that is built anew'
        )
    kind = type(student).__name__
    for name, arguments in _SIGNATURES.items():
        attribute = getattr(student, name, None)
        if attribute is not None and not _takes(attribute, arguments):
            raise ValueError(
                f'model.architecture: {name!r} of a {kind} is no method that '
                f'takes {", ".join(arguments)}, as it is in MMDetection and '
                'MMSegmentation, and a distilled student calls it so. Write '
                f'{name!r} like that, or give what is there another name'
            )
    taken = [name for name in _RESERVED if hasattr(student, name)]
    if taken:
        raise ValueError(
            f'model.architecture: a {kind} has '
            f'{", ".join(taken)} of its own, and a distilled student needs '
            'these names. Distil a model without a teacher inside'
        )


def _takes(attribute: Any, arguments: Sequence[str]) -> bool:
    """Whether it is a method with arguments whose names end so."""
    if not ismethod(attribute):
        return False
    parameters = signature(attribute).parameters
    return any(
        p.kind is Parameter.VAR_POSITIONAL for p in parameters.values()
    ) or all(
        any(name.endswith(argument) for name in parameters)
        for argument in arguments
    )
