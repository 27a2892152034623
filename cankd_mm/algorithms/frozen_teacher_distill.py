"""Single-teacher distillation that is right about the teacher."""

import difflib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, PretrainedInit
from mmengine.optim import OptimWrapper
from mmengine.structures import BaseDataElement
from mmengine.utils import is_seq_of
from mmrazor.models.algorithms import SingleTeacherDistill
from mmrazor.models.task_modules.recorder import ParameterRecorder
from mmrazor.models.utils import add_prefix
from mmrazor.registry import MODELS
from torch import nn
from torch.nn.parameter import is_lazy

from cankd_mm.algorithms import dry_run
from cankd_mm.algorithms.batch_norm_folding import fold_batch_norms
from cankd_mm.algorithms.detached_loss import detached_loss
from cankd_mm.algorithms.finite_records import (
    non_finite_losses,
    non_finite_records,
)
from cankd_mm.algorithms.in_place import InPlaceActivations
from cankd_mm.algorithms.inheritance import inherited_weights
from cankd_mm.algorithms.record_gradients import check_gradients
from cankd_mm.algorithms.recorded_forward import (
    RecordedForward,
    follow_replaced_modules,
    recorded_modules,
    recorded_tensors,
    records_needed,
)
from cankd_mm.algorithms.teacher_input import TeacherInput
from cankd_mm.algorithms.watched_records import WatchedRecords
from cankd_mm.checkpoint.finite_weights import (
    NonFiniteWeightsError,
    require_finite,
)
from cankd_mm.losses.finite_inputs import values_unchecked
from cankd_mm.utils.arguments import check_flag, check_weight
from cankd_mm.utils.checkpoint import LoadReport, load_weights
from cankd_mm.utils.model_config import build_model
from cankd_mm.utils.random_state import preserved_random_state

_TEACHER_DTYPES = {
    None: None,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
# Under this share of its weights a teacher teaches noise.
_MIN_TEACHER_COVERAGE = 0.99


@MODELS.register_module()
class FrozenTeacherDistill(SingleTeacherDistill):
    """Distils a frozen teacher into a student with an untouched task loss.

    A :class:`mmrazor.models.SingleTeacherDistill` with these promises:

    - The whole teacher is in evaluation mode, without gradients, and its
      state after training is bit for bit the state it was loaded with.
    - It runs only until the last recorded module has been called: no head,
      no loss, no labels, no sampling; and its batch norms are folded into
      its convolutions. It draws no random numbers, and
      building it leaves the random state as it is.
    - With ``distill_weight=0`` training is bit for bit training without it,
      whatever the teacher does: neither teacher nor distill losses run, and
      the parameters of the distiller get a gradient of 0.
    - Its weights are really there: loading reports every key that does not
      fit, and less than 99 % of the weights is an error. They are finite,
      and so are its features and the distill losses of a dry run.
    - It sees its own input normalisation where the student's differs.
    - Recorders, connectors and losses are tried once at build time.
    - Checkpoints hold student and distiller; the teacher is rebuilt from
      ``teacher_ckpt``.

    Args:
        architecture: The student: ``dict(cfg_path=...)`` with a file or a
            ``package::path`` and any overrides, a model config, or a model.
        distiller: Config of a :class:`mmrazor.models.ConfigurableDistiller`.
        teacher: The teacher, given like ``architecture``.
        teacher_ckpt: The teacher's weights: a file, ``package::path`` or a
            URL. Plain checkpoints and distillation checkpoints (their
            student) are both understood.
        student_ckpt: Weights the student starts from. Keys that do not fit
            (a head of another class count) are reported and start afresh.
        inherit: Modules of the student that start from the teacher's weights:
            ``['neck', 'bbox_head']``, or a dict of the student's module
            names to the teacher's where these differ. Copied after the
            student is initialised (or loaded); every shape must agree.
        allow_random_teacher: Train with a teacher without weights. Pretrained
            backbones are not downloaded for it. Defaults to False.
        distill_weight: Factor on every distill loss. With 0 the teacher is
            not used, and its faults are warnings; they are errors once the
            weight is positive. May be set between iterations. Defaults to
            1.0.
        teacher_dtype: ``None`` for the weights' own precision, 'bfloat16' or
            'float16'. Recorded features come out in float32 in any case.
        teacher_channels_last: Lay the teacher's tensors out channels-last,
            which is faster on recent GPUs. Defaults to False.
        fold_teacher_norms: Fold the teacher's batch norms into its
            convolutions, which moves its features by a millionth of their
            size. A dry run shows which can be. Defaults to True.
        dry_run_size: Height and width of the image that is tried at build
            time, None to try none; then no norm is folded, no activation works
            in place, and a record that the model changes (``out += x``) is
            not noticed. Defaults to (256, 256).
        data_preprocessor: The student's, unless said otherwise.
        init_cfg: As in :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: No teacher weights, weights that do not belong to the
            teacher or are not finite, a recorder source that is in no model,
            features that do not fit their loss, features or losses of the
            dry run that are not finite, modules that cannot be inherited, or
            an argument out of range. The message names the config key.
        TypeError: An argument of the wrong type.

    Examples:
        >>> model = dict(
        ...     type='mmrazor.FrozenTeacherDistill',
        ...     architecture=dict(
        ...         cfg_path='mmdet::retinanet/retinanet_r50_fpn_2x_coco.py'),
        ...     teacher=dict(
        ...         cfg_path='mmdet::retinanet/retinanet_r101_fpn_2x_coco.py'),
        ...     teacher_ckpt='retinanet_r101.pth',
        ...     distiller=dict(
        ...         type='ConfigurableDistiller',
        ...         student_recorders=dict(
        ...             fpn=dict(type='ModuleOutputs', source='neck')),
        ...         teacher_recorders=dict(
        ...             fpn=dict(type='ModuleOutputs', source='neck')),
        ...         distill_losses=dict(
        ...             loss_cankd=dict(
        ...                 type='CanKDLoss',
        ...                 in_channels=256,
        ...                 num_levels=4)),
        ...         loss_forward_mappings=dict(
        ...             loss_cankd=dict(
        ...                 s_feature=dict(
        ...                     from_student=True, recorder='fpn'),
        ...                 t_feature=dict(
        ...                     from_student=False, recorder='fpn')))))
    """

    _needs_all_gradients = True

    def __init__(
        self,
        architecture: dict | BaseModel,
        distiller: dict,
        teacher: dict | BaseModel,
        teacher_ckpt: str | None = None,
        student_ckpt: str | None = None,
        inherit: Sequence[str] | dict[str, str] | None = None,
        allow_random_teacher: bool = False,
        distill_weight: float = 1.0,
        teacher_dtype: str | None = None,
        teacher_channels_last: bool = False,
        fold_teacher_norms: bool = True,
        dry_run_size: tuple[int, int] | None = (256, 256),
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if teacher_dtype not in _TEACHER_DTYPES:
            raise ValueError(
                f'model.teacher_dtype={teacher_dtype!r}, expected one of '
                f'{list(_TEACHER_DTYPES)}'
            )
        check_flag('model.teacher_channels_last', teacher_channels_last)
        check_flag('model.fold_teacher_norms', fold_teacher_norms)
        check_weight('model.distill_weight', distill_weight)
        _check_size(dry_run_size)
        if not isinstance(distiller, dict):
            raise TypeError(
                'model.distiller must be the config of a ConfigurableDistiller'
                f', found {distiller!r}'
            )
        if not teacher_ckpt and not allow_random_teacher:
            raise ValueError(
                f'model.teacher_ckpt={teacher_ckpt!r}: the teacher has no '
                'weights. Name its checkpoint (a file, package::path or a '
                'URL), or set model.allow_random_teacher=True'
            )
        # The student first: it takes from the random stream what it would
        # take without a teacher.
        student = build_model(architecture, 'model.architecture')
        with preserved_random_state():
            teacher = build_model(teacher, 'model.teacher')
            for role, model in (('student', student), ('teacher', teacher)):
                _check_sources(distiller.get(f'{role}_recorders'), model, role)
            super().__init__(
                # Recorders are known in MMRazor's scope only.
                distiller={'_scope_': 'mmrazor', **distiller},
                teacher=teacher,
                architecture=student,
                data_preprocessor=data_preprocessor,
                init_cfg=init_cfg,
                # MMRazor's way finds none of them on current torch.
                module_inplace=True,
                teacher_module_inplace=True,
            )
            self.distill_weight = distill_weight
            self.teacher_dtype = _TEACHER_DTYPES[teacher_dtype]
            self.teacher_channels_last = teacher_channels_last
            # What was a warning because the weight was 0 at build time.
            self._teacher_fault: str | None = None
            self._load_teacher(teacher_ckpt)
            if student_ckpt:
                self._load_student(student_ckpt)
        # Before the teacher changes its number format.
        self._inherited = inherited_weights(
            self.student, self.teacher, inherit or {}
        )
        require_finite(
            self._inherited, inherit, 'model.inherit', model=self.student
        )
        self.teacher_input = TeacherInput(
            self.data_preprocessor, self.teacher.data_preprocessor
        )
        mappings = self.distiller.loss_forward_mappings
        self._teacher_forward = RecordedForward(
            self.teacher,
            self.distiller.teacher_recorders,
            records_needed(mappings, from_student=False),
            # A delivery may record anything that the teacher does.
            whole=bool(self.distiller.deliveries.deliveries),
        )
        self.train(self.training)
        # Recorders that keep copies, by name.
        self._copied: dict[str, set[str]] = {
            'student': set(),
            'teacher': set(),
        }
        # Until a dry run has shown which overwrite no record, none does.
        in_place = [
            InPlaceActivations(model) for model in (self.teacher, self.student)
        ]
        if dry_run_size is not None and fold_teacher_norms:
            with self._teacher_faults_reported():
                self._fold_teacher_norms(dry_run_size)
        self._to_teacher_format()
        if dry_run_size is not None:
            with self._teacher_faults_reported():
                self._dry_run(dry_run_size, *in_place)
        _check_lazy(self.distiller)

    # ---------------------------------------------------------------- build

    def _load_teacher(self, checkpoint: str | None) -> None:
        _drop_pretrained(self.teacher)
        if checkpoint:
            report = load_weights(
                self.teacher,
                checkpoint,
                'model.teacher_ckpt',
                _MIN_TEACHER_COVERAGE,
            )
            _print_report(report)
            with self._teacher_faults_reported():
                report.require_finite()
        else:
            self.teacher.init_weights()
            print_log('The teacher has random weights.', logger='current')
        self.teacher._is_init = True

    def _load_student(self, checkpoint: str) -> None:
        # First as the config initializes it, then from the checkpoint.
        _drop_pretrained(self.student)
        self.student.init_weights()
        report = load_weights(self.student, checkpoint, 'model.student_ckpt')
        if len(report.mis_shaped) > len(report.matched):
            raise ValueError(
                f'{report}. A head of another class count may differ, but '
                'these are weights of another model than the student. First '
                f'keys that do not fit:\n{report.offenders()}'
            )
        _print_report(report)
        report.require_finite()
        self.student._is_init = True

    @contextmanager
    def _teacher_faults_reported(self) -> Iterator[None]:
        """Turn a fault of a teacher that is not used into a warning."""
        try:
            yield
        except (dry_run.TeacherFault, NonFiniteWeightsError) as error:
            self._report_fault(error)
            self._forget_records()

    def _report_fault(self, error: ValueError, may_vanish=False) -> None:
        """Raise an error, or warn if it need not stop training.

        Args:
            error: What is wrong.
            may_vanish: Whether it depends on weights of the student, which
                it may not have yet.
        """
        if not self.distills:
            if not may_vanish:
                self._teacher_fault = self._teacher_fault or str(error)
            reason = 'model.distill_weight=0, so training does not use the'
            reason += ' teacher'
        elif may_vanish and not self.student.is_init:
            reason = 'the student has its initial weights only in training'
        else:
            raise error
        print_log(
            f'{error}\nThis is a warning because {reason}.',
            logger='current',
            level=logging.WARNING,
        )

    def _to_teacher_format(self) -> None:
        if self.teacher_dtype is not None:
            self.teacher.to(self.teacher_dtype)
        if self.teacher_channels_last:
            self.teacher.to(memory_format=torch.channels_last)

    def init_weights(self) -> None:
        """Initialises student and distiller; the teacher has its weights."""
        if not self.student.is_init:
            self.student.init_weights()
        with preserved_random_state():
            super().init_weights()
        self.student.load_state_dict(self._inherited, strict=False)
        self._inherited = {}

    def _fold_teacher_norms(self, size: tuple[int, int]) -> None:
        """Tries one image; see :func:`fold_batch_norms`."""
        recorders = self.distiller.teacher_recorders
        inputs, samples = dry_run.dry_input(self.student, size, self._device)

        def features() -> list[torch.Tensor]:
            # In the weights' own precision, whatever is used later.
            with dry_run.named_failure('teacher', size), recorders:
                self._teacher_forward(
                    self.teacher_input(inputs, samples), samples
                )
            found = recorded_tensors(recorders)
            self._forget_records()
            return found

        fold_batch_norms(
            self.teacher, features, recorded_modules(recorders, self.teacher)
        )

    def _dry_run(
        self,
        size: tuple[int, int],
        teacher_in_place: InPlaceActivations,
        student_in_place: InPlaceActivations,
    ) -> None:
        """Tries one image; see :mod:`cankd_mm.algorithms.dry_run`."""
        distiller = self.distiller
        student_forward = RecordedForward(
            self.student,
            distiller.student_recorders,
            records_needed(distiller.loss_forward_mappings, from_student=True),
            # Training does not leave it early either.
            whole=True,
        )
        inputs, samples = dry_run.dry_input(self.student, size, self._device)
        teacher_records, student_records = (
            WatchedRecords(recorders, model)
            for recorders, model in (
                (distiller.teacher_recorders, self.teacher),
                (distiller.student_recorders, self.student),
            )
        )
        with dry_run.without_traces(self.student, distiller):
            with (
                dry_run.named_failure('teacher', size),
                teacher_in_place.watched(),
                teacher_records.watched(),
                distiller.teacher_recorders,
            ):
                self._run_teacher(inputs, samples)
            dry_run.check_teacher(self._teacher_forward)
            is_finite = self._report_non_finite('teacher')
            teacher_in_place.allow_harmless(teacher_records.tensors())
            self._copied['teacher'] = teacher_records.copy_changed()
            seen_whole = True
            try:
                with (
                    dry_run.named_failure('student', size),
                    student_in_place.watched(),
                    student_records.watched(),
                    distiller.student_recorders,
                ):
                    student_forward(inputs, samples)
            except ValueError:
                # What fails after the last record is of no concern here.
                if student_forward.unserved():
                    raise
                seen_whole = False
            untried = dry_run.check_student(student_forward)
            # What is called or recorded only in the loss is not seen.
            if seen_whole and not untried:
                student_in_place.allow_harmless(student_records.tensors())
            self._copied['student'] = student_records.copy_changed()
            is_finite &= self._report_non_finite('student', untried)
            is_checked = is_finite and self.distills
            with nullcontext() if is_checked else values_unchecked():
                losses = dry_run.check_losses(distiller, untried)
            if is_finite and (faults := non_finite_losses(losses)):
                self._report_fault(
                    ValueError('\n'.join(faults)), may_vanish=True
                )
        self._forget_records()

    def _report_non_finite(
        self, role: str, untried: Collection[str] = ()
    ) -> bool:
        """Report what is recorded, return whether it is finite."""
        faults = non_finite_records(self.distiller, role, untried)
        if not faults:
            return True
        if role == 'teacher' and self.teacher_dtype is torch.float16:
            remedy = (
                'float16 ends at 65504: set '
                "model.teacher_dtype='bfloat16' or None"
            )
        else:
            remedy = (
                f'Look at the weights (model.{role}_ckpt) and at the '
                f"{role}'s data_preprocessor"
            )
        self._report_fault(
            ValueError('\n'.join([*faults, remedy])),
            may_vanish=role == 'student',
        )
        return False

    @property
    def _device(self) -> torch.device:
        return next(self.student.parameters()).device

    # ---------------------------------------------------------------- train

    def train(self, mode: bool = True) -> 'FrozenTeacherDistill':
        """Sets the student's and the distiller's mode, never the teacher's."""
        super().train(mode)
        self.teacher.eval()
        return self

    @property
    def distills(self) -> bool:
        """Whether training uses the teacher."""
        return bool(self.distill_weight) and not self.distillation_stopped

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper
    ) -> dict[str, torch.Tensor]:
        """Train one step; wrappers of distributed runs do not call this.

        Args:
            data: A batch as the data loader gives it.
            optim_wrapper: Updates the parameters.

        Returns:
            The values to log.
        """
        # Gradients of 0 are for wrappers. In the norm that clips gradients
        # they would change the order of the sum, and so its last bit.
        self._needs_all_gradients = False
        try:
            return super().train_step(data, optim_wrapper)
        finally:
            self._needs_all_gradients = True

    def loss(
        self,
        batch_inputs: torch.Tensor,
        data_samples: list[BaseDataElement] | None = None,
    ) -> dict[str, torch.Tensor]:
        """Compute the task loss and the distill losses.

        Args:
            batch_inputs: Images as the student's preprocessor returns them.
            data_samples: Their annotations, for the student only.

        Returns:
            The student's losses under ``student.*`` and the distill losses,
            times ``distill_weight``, under ``distill.*``. With a weight of 0,
            or once distillation is stopped, only the student runs; the
            distill losses are 0, with a gradient of 0 for every parameter of
            the distiller.

        Shape:
            - batch_inputs: (B, C, H, W)

        Raises:
            RuntimeError: A distill loss has no gradient for the student.
            TeacherFault: ``distill_weight`` was 0 at build time, where a
                fault of the teacher was a warning.
        """
        if not self.distills:
            return {
                **add_prefix(
                    self.student(batch_inputs, data_samples, mode='loss'),
                    'student',
                ),
                **add_prefix(self._zero_losses(), 'distill'),
            }
        if self._teacher_fault:
            raise dry_run.TeacherFault(self._teacher_fault)
        # The guard of the run looks at the losses.
        with values_unchecked():
            return self._distilled_loss(batch_inputs, data_samples)

    def _distilled_loss(
        self,
        batch_inputs: torch.Tensor,
        data_samples: list[BaseDataElement] | None,
    ) -> dict[str, torch.Tensor]:
        distiller = self.distiller
        self._follow_replaced_modules()
        distiller.set_deliveries_override(False)
        with distiller.teacher_recorders, distiller.deliveries:
            self._run_teacher(batch_inputs, data_samples)
        distiller.set_deliveries_override(True)
        with distiller.student_recorders, distiller.deliveries:
            student_losses = self.student(
                batch_inputs, data_samples, mode='loss'
            )
        distill_losses = self._distill_losses()
        self._forget_records()
        return {
            **add_prefix(student_losses, 'student'),
            **add_prefix(distill_losses, 'distill'),
        }

    def _follow_replaced_modules(self) -> None:
        for role in ('student', 'teacher'):
            follow_replaced_modules(
                getattr(self.distiller, f'{role}_recorders'),
                getattr(self, role),
                self._copied[role],
            )

    def _distill_losses(self) -> dict[str, torch.Tensor]:
        """The weighted distill losses of what is recorded."""
        self._check_gradients()
        losses = self.distiller.compute_distill_losses()
        return {
            name: value * self._weight_of(name) if 'loss' in name else value
            for name, value in losses.items()
        }

    def _check_gradients(self) -> None:
        if self.training and torch.is_grad_enabled():
            check_gradients(self.distiller)

    def _weight_of(self, name: str) -> float:
        """The factor on one distill loss."""
        return self.distill_weight

    def _zero_losses(self) -> dict[str, torch.Tensor]:
        """Zeros for all distill losses, in place of their last values.

        MMEngine repeats the last value of a name that is reported no more.
        """
        names = [
            name
            for name in self.distiller.loss_forward_mappings
            if 'loss' in name
        ]
        losses = dict.fromkeys(names, self._zero_loss())
        if names and self._needs_all_gradients:
            losses[names[0]] = self._zero_loss(self.distiller.parameters())
        return losses

    def _zero_loss(
        self, parameters: Iterable[nn.Parameter] = ()
    ) -> torch.Tensor:
        """A loss of 0 that gives parameters a gradient of 0."""
        zero = next(self.student.parameters()).new_zeros(())
        return detached_loss(zero, [p for p in parameters if p.requires_grad])

    @torch.no_grad()
    def _run_teacher(
        self,
        inputs: torch.Tensor,
        data_samples: list[BaseDataElement] | None,
    ) -> None:
        inputs = self.teacher_input(inputs, data_samples)
        with ExitStack() as stack:
            if self.teacher_dtype is not None:
                inputs = inputs.to(self.teacher_dtype)
                # For modules that make float32 tensors of their own.
                stack.enter_context(
                    torch.autocast(inputs.device.type, self.teacher_dtype)
                )
            if self.teacher_channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            self._teacher_forward(inputs, data_samples)
        for recorder in self.distiller.teacher_recorders.recorders.values():
            if not isinstance(recorder, ParameterRecorder):
                recorder.data_buffer[:] = _in_float32(recorder.data_buffer)

    def _forget_records(self) -> None:
        """Frees the features and lets ``copy.deepcopy`` work."""
        for manager in (
            self.distiller.student_recorders,
            self.distiller.teacher_recorders,
        ):
            for recorder in manager.recorders.values():
                recorder.reset_data_buffer()

    # ----------------------------------------------------------- checkpoints

    def state_dict(self, *args, prefix: str = '', **kwargs) -> dict[str, Any]:
        """The state without the teacher's."""
        state = super().state_dict(*args, prefix=prefix, **kwargs)
        _drop(state, f'{prefix}teacher.')
        return state

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, *args
    ) -> None:
        if not any(
            key.startswith(f'{prefix}architecture.') for key in state_dict
        ):
            print_log(
                'The checkpoint holds no distillation state (no key starts '
                "with 'architecture.'), so nothing of it reaches the student. "
                'To start from the weights of a plain student set '
                'model.student_ckpt (--student-ckpt) instead of load_from.',
                logger='current',
                level=logging.WARNING,
            )
        # The teacher keeps the weights that it has, whatever the file holds.
        _drop(state_dict, f'{prefix}teacher.')
        for key, value in self.teacher.state_dict().items():
            state_dict[f'{prefix}teacher.{key}'] = value
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, *args
        )


def _check_size(size: tuple[int, int] | None) -> None:
    if size is None:
        return
    if not is_seq_of(size, int) or len(size) != 2 or min(size) < 1:
        raise ValueError(
            f'model.dry_run_size={size!r}, expected (height, width) in pixels '
            'or None'
        )


def _check_sources(
    recorders: dict[str, dict] | None, model: nn.Module, role: str
) -> None:
    """Raises if a recorded module or parameter is not in the model.

    Raises:
        ValueError: It names the recorder, its source and the closest names.
    """
    for name, recorder in (recorders or {}).items():
        kind, source = str(recorder.get('type')), recorder.get('source')
        if 'Module' in kind:
            known = [n for n, _ in model.named_modules() if n]
        elif 'Parameter' in kind:
            known = [n for n, _ in model.named_parameters()]
        else:  # a function or method of the library, not of the model
            continue
        if source not in known:
            close = difflib.get_close_matches(str(source), known, 3, 0.0)
            raise ValueError(
                f'model.distiller.{role}_recorders.{name}.source={source!r} '
                f'is not in the {role} ({type(model).__name__}). The closest '
                f'names are {close}'
            )


def _check_lazy(distiller: nn.Module) -> None:
    """Raises if a connector still waits for its number of input channels."""
    for name, parameter in distiller.named_parameters():
        if is_lazy(parameter):
            raise ValueError(
                f'model.distiller.{name.rpartition(".")[0]} finds its input '
                'channels in a dry run, which did not reach it: '
                'model.dry_run_size is None, or the recorded module runs in '
                'the loss only. Set the in_channels of this connector'
            )


def _drop_pretrained(model: nn.Module) -> None:
    """Forgets pretrained backbones: the weights come from a checkpoint."""
    for module in model.modules():
        init_cfg = getattr(module, 'init_cfg', None)
        if isinstance(init_cfg, dict) and _is_pretrained(init_cfg):
            module.init_cfg = None
        elif isinstance(init_cfg, list | tuple):
            module.init_cfg = [c for c in init_cfg if not _is_pretrained(c)]


def _is_pretrained(init_cfg: dict) -> bool:
    kind = init_cfg.get('type')
    return kind == 'Pretrained' or kind is PretrainedInit


def _drop(state: dict[str, Any], prefix: str) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def _in_float32(value: Any) -> Any:
    """The same nest of sequences with half-precision tensors widened."""
    if isinstance(value, torch.Tensor):
        is_half = value.dtype in (torch.float16, torch.bfloat16)
        return value.float() if is_half else value
    if isinstance(value, list | tuple) and not hasattr(value, '_fields'):
        return type(value)(_in_float32(item) for item in value)
    if isinstance(value, dict):
        return {key: _in_float32(item) for key, item in value.items()}
    return value


def _print_report(report: LoadReport) -> None:
    fits = not (report.missing or report.unexpected or report.mis_shaped)
    message = str(report) if fits else f'{report}\n{report.offenders()}'
    print_log(
        message,
        logger='current',
        level=logging.INFO if fits else logging.WARNING,
    )
