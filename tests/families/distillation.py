"""CanKD between two copies of a model, on the recorder that it has."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from mmengine.config import ConfigDict
from torch import Tensor, nn

_LEVELS = 4
_SOURCES = (
    'neck',
    'backbone',
    'detector.neck',
    'detector.backbone',
    'student.neck',
    'image_encoder',
    'decode_head',
)
#: Families whose neck or backbone returns something else in training than in
#: evaluation, or no map. What is recorded here is a map in both.
RECORDERS = {
    'mmdet/tridentnet': 'backbone.layer2',
    'mmseg/dpt': 'decode_head.reassemble_blocks',
    'mmseg/ddrnet': 'backbone.spatial_branch_layers.2',
    'mmseg/san': 'decode_head.side_adapter_network.conv_clips.0',
    'mmseg/pidnet': 'backbone.dfm',
}


class Recorded(NamedTuple):
    """What a module returned: the shapes of its maps, the largest value."""

    shapes: list[tuple[int, ...]]
    is_sequence: bool
    largest: float

    @property
    def levels(self) -> int:
        """How many first levels CanKD can compare at once."""
        count = 0
        for shape in self.shapes:
            if not _is_map(shape) or shape[1] != self.shapes[0][1]:
                break
            count += 1
        return min(count, _LEVELS)


def source(model: nn.Module, family: str) -> str:
    """The name of the module that is recorded."""
    if family in RECORDERS:
        return RECORDERS[family]
    modules = dict(model.named_modules())
    return next((name for name in _SOURCES if name in modules), '')


@contextmanager
def recording(model: nn.Module, name: str) -> Iterator[list[Recorded]]:
    """Give the list that the outputs of a module are described in."""
    found: list[Recorded] = []

    def describe(module: nn.Module, inputs: tuple, output) -> None:
        is_sequence = isinstance(output, list | tuple)
        values = output if is_sequence else [output]
        shapes = [
            tuple(v.shape) if isinstance(v, Tensor) else () for v in values
        ]
        maps = [v for v in values if isinstance(v, Tensor)]
        largest = max((v.abs().max().item() for v in maps), default=0.0)
        found.append(Recorded(shapes, is_sequence, largest))

    handle = model.get_submodule(name).register_forward_hook(describe)
    try:
        yield found
    finally:
        handle.remove()


def distilled(
    model: ConfigDict,
    scope: str,
    name: str,
    recorded: Recorded,
    weights: str | None,
    size: int,
) -> ConfigDict:
    """The config of a model that a copy of it distils.

    The levels of a feature pyramid are compared as in
    ``configs/_base_/distillers/cankd_fpn.py``, else the last map.

    Args:
        model: Student and teacher.
        scope: Where their types are registered.
        name: The module that is recorded.
        recorded: What it returns.
        weights: A checkpoint for both; None for random weights.
        size: Height and width of the dry run.

    Raises:
        ValueError: The module returns no map.
    """
    feature, loss = _compared(name, recorded)
    recorders = dict(feature=dict(type='ModuleOutputs', source=name))
    architecture = ConfigDict({**copy.deepcopy(model), '_scope_': scope})
    return ConfigDict(
        type='mmrazor.FrozenTeacherDistill',
        architecture=architecture,
        teacher=copy.deepcopy(architecture),
        allow_random_teacher=weights is None,
        teacher_ckpt=weights,
        student_ckpt=weights,
        dry_run_size=(size, size),
        distiller=dict(
            type='mmrazor.ConfigurableDistiller',
            student_recorders=recorders,
            teacher_recorders=copy.deepcopy(recorders),
            distill_losses=dict(
                loss_cankd=dict(type='mmrazor.CanKDLoss', **loss)
            ),
            loss_forward_mappings=dict(
                loss_cankd=dict(
                    s_feature=dict(from_student=True, **feature),
                    t_feature=dict(from_student=False, **feature),
                )
            ),
        ),
    )


def _compared(name: str, recorded: Recorded) -> tuple[dict, dict]:
    """What the loss is given, and the loss for it."""
    feature = dict(recorder='feature')
    if recorded.levels > 1 or not recorded.is_sequence:
        levels = max(recorded.levels, 1)
        channels = recorded.shapes[0][1]
        return feature, dict(in_channels=channels, num_levels=levels)
    for index in reversed(range(len(recorded.shapes))):
        shape = recorded.shapes[index]
        if _is_map(shape):
            feature['data_idx'] = index
            return feature, dict(in_channels=shape[1])
    raise ValueError(f'{name} returns no map: {recorded.shapes}')


def _is_map(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and min(shape[2:]) > 1
