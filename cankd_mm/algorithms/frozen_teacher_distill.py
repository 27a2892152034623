"""Distillation by one teacher, which stays as it was loaded."""

import copy
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmengine.utils import is_seq_of
from mmrazor.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from cankd_mm.algorithms import dry_run
from cankd_mm.algorithms.batch_norm_folding import fold_batch_norms
from cankd_mm.algorithms.distilled import Distilled
from cankd_mm.algorithms.finite_records import (
    non_finite_losses,
    non_finite_records,
)
from cankd_mm.algorithms.frozen_teacher import (
    TEACHER_DTYPES,
    FrozenTeacher,
    drop_pretrained,
    print_report,
)
from cankd_mm.algorithms.inheritance import inherited_weights
from cankd_mm.algorithms.recorded_forward import (
    RecordedForward,
    counts_from_the_end,
    records_needed,
)
from cankd_mm.algorithms.records import Records
from cankd_mm.algorithms.student_preprocessor import set_data_preprocessor
from cankd_mm.checkpoint.finite_weights import (
    NonFiniteWeightsError,
    require_finite,
)
from cankd_mm.losses.finite_inputs import values_unchecked
from cankd_mm.utils.arguments import check_flag, check_weight
from cankd_mm.utils.checkpoint import load_weights
from cankd_mm.utils.model_config import build_model
from cankd_mm.utils.random_state import preserved_random_state


@MODELS.register_module()
class FrozenTeacherDistill(Distilled):
    """Distils a frozen teacher into a student with an untouched task loss.

    What is built is the student: see :class:`Distilled`. MMRazor's recorders,
    connectors, losses, hooks and loops work with it as they do with
    :class:`mmrazor.models.SingleTeacherDistill`. The promises:

    - To all that is not distillation (hooks, optimizer constructors, runner
      options, evaluation, checkpoints) the model is the student.
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
    - It sees its own input normalization where the student's differs.
    - Recorders, connectors and losses are tried once at build time.
    - A record is what the module returned, whatever the model does to it
      afterwards.
    - Checkpoints are the student's, with ``distiller.*`` beside it; the
      teacher is rebuilt from ``teacher_ckpt``.

    Args:
        architecture: The student: ``dict(cfg_path=...)`` with a file or a
            ``package::path`` and any overrides, a model config, or a model.
        distiller: Config of a :class:`mmrazor.models.ConfigurableDistiller`.
        teacher: The teacher, given like ``architecture``. A model is copied.
        teacher_ckpt: The teacher's weights: a file, ``package::path`` or a
            URL. Plain checkpoints and distillation checkpoints (their
            student) are both understood. A teacher that is given as a model
            keeps its own weights without it.
        student_ckpt: Weights the student starts from. Keys that do not fit
            (a head of another class count) are reported and start afresh.
        inherit: Modules of the student that start from the teacher's weights:
            ``['neck', 'bbox_head']``, or a dict of the student's module
            names to the teacher's where these differ. Copied after the
            student is initialized (or loaded); every shape must agree.
        allow_random_teacher: Train with a teacher without weights. Pretrained
            backbones are not downloaded for it. Defaults to False.
        distill_weight: Factor on every distill loss. With 0 the teacher is
            not used, and its faults are warnings; they are errors once the
            weight is positive. May be set between iterations. Defaults to
            1.0.
        teacher_dtype: ``None`` for the weights' own precision (or the
            student's autocast, in mixed precision), 'bfloat16' or 'float16'.
            Recorded features come out in float32 in any case.
        teacher_channels_last: Lay the teacher's tensors out channels-last,
            which is faster on recent GPUs. Defaults to False.
        fold_teacher_norms: Fold the teacher's batch norms into its
            convolutions, which moves its features by a millionth of their
            size. A dry run shows which can be. Defaults to True.
        dry_run_size: Height and width of the image that is tried at build
            time, None to try none; then no norm is folded, and every record
            is copied. Defaults to (256, 256).
        data_preprocessor: Used where the student's own config has none. A
            runner passes the top-level one of its config here.
        init_cfg: Replaces the student's own, if given.

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

    # Attributes that a dry run may set.
    _dry_run_results: tuple[str, ...] = ('_teacher_fault',)

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
        init_cfg: dict | list | None = None,
    ) -> None:
        # The student is built, and this is it.
        if teacher_dtype not in TEACHER_DTYPES:
            raise ValueError(
                f'model.teacher_dtype={teacher_dtype!r}, expected one of '
                f'{list(TEACHER_DTYPES)}'
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
        is_given = isinstance(teacher, nn.Module)
        if not (teacher_ckpt or allow_random_teacher or is_given):
            raise ValueError(
                f'model.teacher_ckpt={teacher_ckpt!r}: the teacher has no '
                'weights. Name its checkpoint (a file, package::path or a '
                'URL), or set model.allow_random_teacher=True'
            )
        set_data_preprocessor(self, data_preprocessor)
        if init_cfg is not None:
            self.init_cfg = init_cfg
        self.distill_weight = distill_weight
        with preserved_random_state():
            teacher = _built_teacher(teacher, self)
            for role, model in (('student', self), ('teacher', teacher)):
                _check_sources(distiller.get(f'{role}_recorders'), model, role)
            self._teacher = FrozenTeacher(
                teacher,
                self.data_preprocessor,
                teacher_dtype,
                teacher_channels_last,
                is_given,
            )
            self._load_teacher(teacher_ckpt)
            if student_ckpt:
                self._load_student(student_ckpt)
            # Before the teacher changes its number format.
            self._inherited = inherited_weights(self, teacher, inherit or {})
            require_finite(
                self._inherited, inherit, 'model.inherit', model=self
            )
            # Recorders are known in MMRazor's scope only.
            self.distiller = MODELS.build({'_scope_': 'mmrazor', **distiller})
        mappings = self.distiller.loss_forward_mappings
        self._student_records = Records(
            self.distiller.student_recorders, 'student'
        )
        self._teacher_forward = RecordedForward(
            Records(self.distiller.teacher_recorders, 'teacher'),
            records_needed(mappings, from_student=False),
            # A delivery may record anything that the teacher does.
            whole=bool(self.distiller.deliveries.deliveries)
            or counts_from_the_end(mappings),
        )
        if dry_run_size is None:
            self._teacher.to_format()
        else:
            with self._teacher_faults_reported():
                self._dry_run(dry_run_size, fold_teacher_norms)
        _check_lazy(self.distiller)
        self._distiller_norms = {
            name: module
            for name, module in self.distiller.named_modules()
            if isinstance(module, _BatchNorm)
            and not isinstance(module, nn.SyncBatchNorm)
        }
        self._is_built = True

    # ---------------------------------------------------------------- build

    def _load_teacher(self, checkpoint: str | None) -> None:
        report = self._teacher.load(checkpoint)
        if report is not None:
            print_report(report)
            with self._teacher_faults_reported():
                report.require_finite()

    def _load_student(self, checkpoint: str) -> None:
        # First as the config initializes it, then from the checkpoint.
        drop_pretrained(self)
        super().init_weights()
        report = load_weights(self, checkpoint, 'model.student_ckpt')
        if len(report.mis_shaped) > len(report.matched):
            raise ValueError(
                f'{report}. A head of another class count may differ, but '
                'these are weights of another model than the student. First '
                f'keys that do not fit:\n{report.offenders()}'
            )
        print_report(report)
        report.require_finite()
        self._is_init = True

    @contextmanager
    def _teacher_faults_reported(self) -> Iterator[None]:
        """Turn a fault of a teacher that is not used into a warning."""
        try:
            yield
        except (dry_run.TeacherFault, NonFiniteWeightsError) as error:
            self._report_fault(error)

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
        elif may_vanish and not self.is_init:
            reason = 'the student has its initial weights only in training'
        else:
            raise error
        print_log(
            f'{error}\nThis is a warning because {reason}.',
            logger='current',
            level=logging.WARNING,
        )

    def init_weights(self) -> None:
        """Initialize student and distiller; the teacher has its weights."""
        if not self.is_init:
            # As without a distiller, and with the same random numbers.
            with self.plain():
                super().init_weights()
        with preserved_random_state():
            self.distiller.init_weights()
        # Some modules change their buffers whenever they are loaded.
        if self._inherited:
            self.load_state_dict(self._inherited, strict=False)
        self._inherited = {}

    # -------------------------------------------------------------- dry run

    def _dry_run(self, size: tuple[int, int], fold_norms: bool) -> None:
        """Try one image; see :mod:`cankd_mm.algorithms.dry_run`."""
        inputs, samples = dry_run.dry_input(self, size, self._device)
        try:
            with dry_run.side_effect_free(self, self._dry_run_results):
                dry_run.check_operators(self)
                with dry_run.named_failure('teacher', size):
                    self._try_teacher(inputs, samples, fold_norms)
                dry_run.check_teacher(self._teacher_forward)
                is_finite = self._report_non_finite('teacher')
                forward, is_whole = self._try_student(inputs, samples, size)
                untried = dry_run.check_student(forward, self)
                if is_whole:
                    self._student_records.copy_only(
                        # What only the loss calls or records is not seen.
                        {*self._student_records.changed(), *untried}
                    )
                is_finite &= self._report_non_finite('student', untried)
                is_checked = is_finite and self.distills
                with nullcontext() if is_checked else values_unchecked():
                    losses = self._try_losses(untried)
                if is_finite and (faults := non_finite_losses(losses)):
                    self._report_fault(
                        ValueError('\n'.join(faults)), may_vanish=True
                    )
        finally:
            self._forget_records()

    def _try_teacher(
        self, inputs: Tensor, samples: list[BaseDataElement], fold_norms: bool
    ) -> None:
        """Run the teacher once, or once more to see that folding is right."""
        teacher, forward = self._teacher, self._teacher_forward
        is_recorded = False

        def features() -> list[Tensor]:
            forward(teacher.model, teacher.input(inputs, samples), samples)
            return forward.records.tensors()

        if fold_norms:
            # In the weights' own precision, whatever is used later.
            fold_batch_norms(
                teacher.model,
                features,
                recorded=forward.records.surrounding_modules(teacher.model),
            )
            is_recorded = not teacher.has_own_format
        teacher.to_format()
        if not is_recorded:
            self._run_teacher(inputs, samples)
        forward.records.copy_only(forward.records.changed())

    def _try_student(
        self,
        inputs: Tensor,
        samples: list[BaseDataElement],
        size: tuple[int, int],
    ) -> tuple[RecordedForward, bool]:
        """Run the student as training records it.

        Returns:
            What has run, and whether it has run to its end. What fails after
            the last record is of no concern.
        """
        forward = self._student_forward()
        for training in (True, False):
            dry_run.set_mode(self, training)
            try:
                with dry_run.named_failure('student', size):
                    forward(self, inputs, samples)
                return forward, True
            except ValueError:
                if not forward.pending():
                    break
                # In training some models need labels.
                if not training:
                    raise
        return forward, False

    def _try_losses(self, untried: Collection[str]) -> dict[str, Tensor]:
        """Compute the distill losses of what is recorded, by name."""
        return dry_run.check_losses(self.distiller, untried)

    def _student_forward(self) -> RecordedForward:
        mappings = self.distiller.loss_forward_mappings
        return RecordedForward(
            self._student_records,
            records_needed(mappings, from_student=True),
            # Training does not leave it early either.
            whole=True,
        )

    def _report_non_finite(
        self, role: str, untried: Collection[str] = ()
    ) -> bool:
        """Report what is recorded, return whether it is finite."""
        faults = non_finite_records(self.distiller, role, untried)
        if not faults:
            return True
        if role == 'teacher' and self._teacher.dtype is torch.float16:
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
        return next(self.parameters()).device


def _built_teacher(teacher: dict | BaseModel, student: BaseModel) -> BaseModel:
    if teacher is student:
        raise ValueError(
            'model.teacher is the very model that is model.architecture. Give '
            'two models, or copy.deepcopy(model) as the teacher'
        )
    # It is frozen, and its norms are folded.
    return build_model(copy.deepcopy(teacher), 'model.teacher')


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
    for fault in dry_run.source_faults(recorders, model, role):
        raise ValueError(fault)


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
