"""LAKD's training step: a student of local modules with separate gradients."""

import logging
from collections.abc import Sequence
from numbers import Integral

import torch
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.algorithms.frozen_teacher_distill import FrozenTeacherDistill
from cankd_mm.algorithms.local_backward import LocalBackward
from cankd_mm.algorithms.local_modules import (
    LocalModule,
    TracedForward,
    find_local_modules,
)
from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.algorithms.truncation import Truncation, build_truncations
from cankd_mm.losses.finite_inputs import values_unchecked
from cankd_mm.utils.arguments import check_flag
from cankd_mm.utils.progress import iteration


@MODELS.register_module()
class LocalModuleDistill(FrozenTeacherDistill):
    """Distils a student that is cut into local modules.

    No gradient passes a truncation, so that each local module learns from its
    own distill losses: one backward of the sum gives every module the
    gradient of a separate update. Evaluation is that of the uncut student.

    A truncation ``on='input'`` of a module detaches what enters it. The task
    loss still reaches the stages before it through a path of its own, such as
    the lateral convolutions of an FPN; this is the choice for detection and
    segmentation. ``on='output'`` detaches what a module returns, for
    everybody: the literal form, where only the last module knows the task.

    Which parameters make a local module, and which loss trains it, is found
    with autograd on one image when the algorithm is built. Local modules are
    numbered from the image on, in the order of the forward.

    Args:
        architecture: As in :class:`FrozenTeacherDistill`.
        *args: The others of :class:`FrozenTeacherDistill`.
        truncations: ``dict(module=..., on='input')`` or ``on='output'`` for
            each cut. Defaults to none.
        open_every: Opens the modules one after another, from the simple to
            the complex: the distill losses of module k weigh 0 before
            iteration ``(k - 1) * open_every``. A loss of several modules
            opens with the first of them, one of none with the last. Defaults
            to 0, all at once.
        local_backward: Back-propagates the losses of a module as soon as they
            are known, instead of summing all for one backward. The gradients
            are the same; memory is saved where nothing else needs the
            module's graph, that is with ``on='output'``. With ``on='input'``
            and a lateral path the task loss comes back through the graph, and
            nothing is saved. Distributed training needs ``custom_hooks =
            [dict(type='LocalBackwardHook')]``. Outside of ``train_step``
            (losses computed by hand) the sum is returned. Defaults to False.
        **kwargs: Those of :class:`FrozenTeacherDistill`.

    Raises:
        ValueError: A truncation of a module that does not exist, is never
            called or cuts off parameters without a distill loss of their own;
            or an argument out of range. The message names the config key.
        TypeError: An argument has the wrong type.

    Source: LAKD (arXiv 2408.11478) for separate gradients of local modules;
    the two sides of a cut, ``open_every`` and ``local_backward`` are our
    completion.

    Examples:
        >>> model = dict(
        ...     type='mmrazor.LocalModuleDistill',
        ...     architecture=dict(cfg_path='student.py'),
        ...     teacher=dict(cfg_path='teacher.py'),
        ...     teacher_ckpt='teacher.pth',
        ...     truncations=[
        ...         dict(module='backbone.layer3', on='input'),
        ...         dict(module='backbone.layer4', on='input')],
        ...     distiller=dict(
        ...         type='ConfigurableDistiller',
        ...         student_recorders=dict(
        ...             layer2=dict(
        ...                 type='ModuleOutputs', source='backbone.layer2'),
        ...             ...),
        ...         ...))
    """

    _dry_run_results = (
        *FrozenTeacherDistill._dry_run_results,
        'local_modules',
    )
    _truncations: Sequence[Truncation] = ()
    _distillation_stopped = False

    def __init__(
        self,
        architecture: dict | BaseModel,
        *args,
        truncations: Sequence[dict] = (),
        open_every: int = 0,
        local_backward: bool = False,
        dry_run_size: tuple[int, int] | None = (256, 256),
        **kwargs,
    ) -> None:
        _check_open_every(open_every)
        check_flag('model.local_backward', local_backward)
        if dry_run_size is None and (open_every or local_backward):
            raise ValueError(
                'model.dry_run_size=None: model.open_every and '
                'model.local_backward need the local modules, which are found '
                'in the dry run. Give the height and width of an image'
            )
        # The dry run goes through them.
        self._truncations = build_truncations(truncations, self)
        self.open_every = open_every
        self.local_backward = local_backward
        # During a training step, from train_step or LocalBackwardHook.
        self.optim_wrapper: OptimWrapper | None = None
        self.local_modules: list[LocalModule] = []
        self._early: LocalBackward | None = None
        super().__init__(
            architecture, *args, dry_run_size=dry_run_size, **kwargs
        )
        if dry_run_size is None and truncations:
            print_log(
                'model.dry_run_size=None: nothing checks that every local '
                'module has a distill loss.',
                logger='current',
                level=logging.WARNING,
            )
        self._switch_truncations()

    # ---------------------------------------------------------------- build

    def _student_forward(self) -> RecordedForward:
        forward = super()._student_forward()
        return TracedForward(
            forward.records,
            forward.needed,
            forward.whole,
            truncations=self._truncations,
        )

    def _try_student(self, *args) -> tuple[RecordedForward, bool]:
        with torch.enable_grad():
            forward, is_whole = super()._try_student(*args)
            # The dry run itself reports what is not finite.
            with values_unchecked():
                self.local_modules = find_local_modules(self, forward)
        return forward, is_whole

    # ------------------------------------------------------------- switches

    @property
    def distillation_stopped(self) -> bool:
        """Whether the student learns from the task only, uncut."""
        return self._distillation_stopped

    @distillation_stopped.setter
    def distillation_stopped(self, stopped: bool) -> None:
        self._distillation_stopped = stopped
        self._switch_truncations()

    def train(self, mode: bool = True) -> 'LocalModuleDistill':
        """Sets student, distiller and truncations, never the teacher."""
        super().train(mode)
        self._switch_truncations()
        return self

    def _switch_truncations(self) -> None:
        # Not around a forward: what is checkpointed runs again in backward.
        for truncation in self._truncations:
            truncation.active = self.training and self.distills

    def _is_closed(self, name: str) -> bool:
        """Whether the module of a distill loss is not open yet."""
        return any(
            name in module.losses and index * self.open_every > iteration()
            for index, module in enumerate(self.local_modules)
        )

    def _cut_parameters(self) -> list[nn.Parameter]:
        """What may get its gradient from distill losses only."""
        names = set().union(*(m.parameters for m in self.local_modules))
        return [
            *map(self.get_parameter, sorted(names)),
            *self.distiller.parameters(),
        ]

    def _weight_of(self, name: str) -> float:
        """The factor on one distill loss, 0 while its module is closed."""
        return 0.0 if self._is_closed(name) else super()._weight_of(name)

    # ---------------------------------------------------------------- train

    def train_step(
        self, data: dict | tuple | list, optim_wrapper: OptimWrapper
    ) -> dict[str, torch.Tensor]:
        """One step, which may begin with the backwards of local modules.

        Args:
            data: A batch as the data loader gives it.
            optim_wrapper: Updates the parameters.

        Returns:
            The values to log.
        """
        self.optim_wrapper = optim_wrapper
        try:
            return super().train_step(data, optim_wrapper)
        finally:
            self.optim_wrapper = None

    def loss(self, *args, **kwargs) -> dict[str, torch.Tensor]:
        """Compute the losses, and back-propagate local ones if so set.

        Args:
            args: As for :meth:`FrozenTeacherDistill.loss`.
            kwargs: As for :meth:`FrozenTeacherDistill.loss`.

        Returns:
            As :meth:`FrozenTeacherDistill.loss`. A loss that was
            back-propagated already keeps its value here, and a gradient of 0.

        Raises:
            RuntimeError: ``local_backward`` in a distributed run without
                ``LocalBackwardHook``, or on features without a gradient.
            TypeError: ``local_backward`` with an optimizer's wrapper of
                another kind.
        """
        # The weight may have changed since.
        self._switch_truncations()
        if not self._goes_backward_early():
            return super().loss(*args, **kwargs)
        try:
            self._early = LocalBackward(
                self, self.local_modules, self._weight_of, self.optim_wrapper
            )
            with self._early:
                return super().loss(*args, **kwargs)
        finally:
            self._early = None

    def _goes_backward_early(self) -> bool:
        wanted = self.local_backward and self.distills
        if not (wanted and self.training and torch.is_grad_enabled()):
            return False
        if self.optim_wrapper is None and is_distributed():
            raise RuntimeError(
                'model.local_backward=True needs the optimizer during the '
                'forward, and in a distributed run no one hands it over. Add '
                "custom_hooks=[dict(type='LocalBackwardHook')], or set "
                'model.local_backward=False'
            )
        if self.optim_wrapper is None:
            return False
        if not isinstance(self.optim_wrapper, OptimWrapper):
            raise TypeError(
                'model.local_backward=True scales its losses as '
                'mmengine.OptimWrapper and its subclasses do, but '
                f'optim_wrapper is a {type(self.optim_wrapper).__name__}. '
                'Set model.local_backward=False'
            )
        return True

    def _distill_losses(self) -> dict[str, torch.Tensor]:
        """The weighted distill losses, those that are done as values.

        The loss of a closed module is not computed: 0 times a loss that is
        not finite would reach the total.
        """
        if self._early is None:
            self._check_gradients()
        early = self._early.values if self._early else {}
        losses = {}
        for name in self.distiller.loss_forward_mappings:
            if name in early:
                losses[name] = early[name]
            elif 'loss' in name and self._is_closed(name):
                losses[name] = self._zero_loss(self._cut_parameters())
            else:
                losses[name] = self._distill_loss(name)
        return losses


def _check_open_every(value: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 0:
        raise ValueError(
            'model.open_every must be a number of iterations, at least 0, '
            f'found {value!r}'
        )
