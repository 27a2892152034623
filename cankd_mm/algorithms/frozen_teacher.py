"""The teacher: frozen, and no part of the student."""

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel, PretrainedInit
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.algorithms.teacher_input import TeacherInput
from cankd_mm.utils.checkpoint import LoadReport, load_weights

TEACHER_DTYPES = {
    None: None,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
# Under this share of its weights a teacher teaches noise.
_MIN_COVERAGE = 0.99


class FrozenTeacher:
    """Holds a teacher where the student's modules do not see it.

    It is no module, so that the student's parameters, state dict, hooks and
    gradients know nothing of the teacher. Copies of the student share it, as
    long as they stay on its device and in its number format.

    Args:
        model: The teacher. From here on it is in evaluation mode and its
            parameters take no gradient.
        student_preprocessor: The student's data preprocessor.
        dtype: A key of ``TEACHER_DTYPES``: the number format to run in.
        channels_last: Whether to lay tensors out channels-last.
        is_given: Whether the model comes with weights.
    """

    def __init__(
        self,
        model: BaseModel,
        student_preprocessor: nn.Module,
        dtype: str | None = None,
        channels_last: bool = False,
        is_given: bool = False,
    ) -> None:
        # Some models return nothing from `train` and `eval`.
        model.eval()
        model.requires_grad_(False)
        self.model = model
        self.input = TeacherInput(
            student_preprocessor, model.data_preprocessor
        )
        self.dtype = TEACHER_DTYPES[dtype]
        self.channels_last = channels_last
        self._is_given = is_given
        self._is_shared = False

    def __deepcopy__(self, memo: dict) -> 'FrozenTeacher':
        """Return a holder of the same model: a frozen one needs no copy."""
        self._is_shared = True
        return copy.copy(self)

    def load(self, checkpoint: str | None) -> LoadReport | None:
        """Load the weights, keep those of a given model, or make random ones.

        Args:
            checkpoint: A file, ``package::path`` or a URL; None for none.

        Returns:
            What was loaded. Whether it is finite is not checked.

        Raises:
            ValueError: Less than 99 % of the weights are in the file.
        """
        drop_pretrained(self.model)
        report = None
        if not checkpoint and self._is_given:
            print_log(
                'The teacher is a model that was given, with its weights.',
                logger='current',
            )
        elif checkpoint:
            report = load_weights(
                self.model, checkpoint, 'model.teacher_ckpt', _MIN_COVERAGE
            )
        else:
            self.model.init_weights()
            print_log('The teacher has random weights.', logger='current')
        self.model._is_init = True
        return report

    def to_format(self) -> None:
        """Move the weights to the number format and the memory layout."""
        if self.dtype is not None:
            # It normalizes in float32.
            preprocessor = self.model._modules.pop('data_preprocessor')
            self.model.to(self.dtype)
            self.model.data_preprocessor = preprocessor
        if self.channels_last:
            self.model.to(memory_format=torch.channels_last)

    @property
    def has_own_format(self) -> bool:
        """Whether :meth:`to_format` changes anything."""
        return self.dtype is not None or self.channels_last

    def apply(self, function: Callable[[Tensor], Tensor]) -> None:
        """Follow the student to a device or a number format.

        A teacher that copies of the student share stays where it is, and the
        one that moves gets its own. A teacher with a number format of its own
        keeps it.
        """
        probe = next(self.model.parameters()).new_empty(0)
        moved = function(probe)
        place = (
            moved.device,
            moved.dtype if self.dtype is None else probe.dtype,
        )
        if place == (probe.device, probe.dtype):
            return
        if self._is_shared:
            self.model = copy.deepcopy(self.model)
            self.input = copy.deepcopy(self.input)
            self._is_shared = False
        # Not the function itself: `to_empty` has one that forgets the weights.
        self.model.to(*place)
        self.input.to(*place)

    @torch.no_grad()
    def run(
        self,
        forward: RecordedForward,
        inputs: Tensor,
        data_samples: list[BaseDataElement] | None,
    ) -> None:
        """Fill the recorders of a forward, in float32.

        Args:
            forward: Records the teacher.
            inputs: A batch as the student's preprocessor returns it.
            data_samples: Its meta information.

        Shape:
            - inputs: (B, C, H, W)
        """
        self._follow(inputs.device)
        with self._own_format(self.input(inputs, data_samples)) as inputs:
            forward(self.model, inputs, data_samples)
        forward.records.convert(_widened)

    @torch.no_grad()
    def val_step(self, data: dict | tuple | list) -> list[BaseDataElement]:
        """Predict a batch of a data loader, in the teacher's own format.

        Args:
            data: As for :meth:`mmengine.model.BaseModel.val_step`.

        Returns:
            The teacher's predictions. Heads decode in float32: the half
            formats are too coarse for coordinates.
        """
        preprocessor = self.model.data_preprocessor
        # Its buffers have moved with the teacher, its own idea of it has not.
        preprocessor.to(next(self.model.parameters()).device)
        data = preprocessor(data, False)
        with ExitStack() as stack:
            for module in self.model.modules():
                if hasattr(module, 'predict_by_feat'):
                    handle = module.register_forward_hook(_widen_outputs)
                    stack.callback(handle.remove)
            data['inputs'] = stack.enter_context(
                self._own_format(data['inputs'])
            )
            return self.model(**data, mode='predict')

    @contextmanager
    def _own_format(self, inputs: Tensor) -> Iterator[Tensor]:
        """Yield the images in the format in which the teacher runs."""
        with ExitStack() as stack:
            if self.dtype is not None:
                inputs = inputs.to(self.dtype)
                # For modules that make float32 tensors of their own.
                stack.enter_context(
                    torch.autocast(inputs.device.type, self.dtype)
                )
            if self.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            yield inputs

    def _follow(self, device: torch.device) -> None:
        # A copy of the student may have taken it to another device.
        if next(self.model.parameters()).device != device:
            self.apply(lambda tensor: tensor.to(device))


def drop_pretrained(model: nn.Module) -> None:
    """Forgets pretrained backbones: the weights come from a checkpoint."""
    for module in model.modules():
        init_cfg = getattr(module, 'init_cfg', None)
        if isinstance(init_cfg, dict) and _is_pretrained(init_cfg):
            module.init_cfg = None
        elif isinstance(init_cfg, list | tuple):
            module.init_cfg = [c for c in init_cfg if not _is_pretrained(c)]


def print_report(report: LoadReport) -> None:
    """Log what was loaded; keys that do not fit are a warning."""
    fits = not (report.missing or report.unexpected or report.mis_shaped)
    print_log(
        str(report) if fits else f'{report}\n{report.offenders()}',
        logger='current',
        level=logging.INFO if fits else logging.WARNING,
    )


def _is_pretrained(init_cfg: dict) -> bool:
    kind = init_cfg.get('type')
    return kind == 'Pretrained' or kind is PretrainedInit


def _widened(tensor: Tensor) -> Tensor:
    is_half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if is_half else tensor


def _widen_outputs(module: nn.Module, inputs, outputs):
    return tree_map_only(Tensor, _widened, outputs)
