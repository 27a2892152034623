"""Paints where teacher and student are active, local module by module."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import is_seq_of
from torch import Tensor

from cankd_mm.algorithms.recorded_forward import (
    RecordedForward,
    records_needed,
)
from cankd_mm.functional.lakd import activation_map, coarse_grid
from cankd_mm.utils.checkpoint import load_weights
from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.distillation_config import is_distillation

# A student that misses more of its weights shows nothing.
_MIN_COVERAGE = 0.99
_INCHES = 2.6


@dataclass(frozen=True)
class ActivationPair:
    """Activation maps of both models at one place.

    Attributes:
        student_module: Where the student was recorded.
        teacher_module: Where the teacher was.
        student: Its map on the common coarse grid, of norm 1.
        teacher: The teacher's.
    """

    student_module: str
    teacher_module: str
    student: Tensor
    teacher: Tensor

    @property
    def cosine(self) -> float:
        """1 where both look alike; LAKD's attention loss is 2 - 2 of it."""
        return (self.student * self.teacher).sum().item()


def save_activation_picture(
    cfg: Config, checkpoint: str, image: str, out: Path
) -> list[ActivationPair]:
    """Writes image, teacher's and student's map, a row for each feature.

    Args:
        cfg: Of a distillation, for detection or segmentation.
        checkpoint: A distillation's or a plain student's.
        image: The image file; it goes through the config's test pipeline.
        out: The file to write.

    Returns:
        What was painted.

    Raises:
        FileNotFoundError: There is no such image or checkpoint.
        ValueError: The config is no distillation, compares no feature maps,
            or the checkpoint does not belong to its student.
    """
    if not is_distillation(cfg):
        raise ValueError(
            'the config has no teacher and no student to compare. Name a '
            'distillation config'
        )
    scope = cfg.get('default_scope', 'mmengine')
    image = resolve_path(image, 'image')
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg.model)
        with model.plain():
            load_weights(model, checkpoint, 'checkpoint', _MIN_COVERAGE)
        packed = _through_pipeline(cfg, image)
    model.eval()
    data = model.data_preprocessor(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]),
        False,
    )
    pairs = activation_pairs(model, data['inputs'], data['data_samples'])
    pixels = packed['inputs'].permute(1, 2, 0).flip(2).numpy()
    _paint(pixels, pairs, tuple(data['inputs'].shape[-2:]), out)
    return pairs


@torch.no_grad()
def activation_pairs(
    model, inputs: Tensor, data_samples: list
) -> list[ActivationPair]:
    """Activation maps of every pair of feature maps that a loss compares.

    Args:
        model: A ``FrozenTeacherDistill`` in evaluation mode.
        inputs: One image as its preprocessor returns it.
        data_samples: Its meta information.

    Shape:
        - inputs: (1, C, H, W)

    Raises:
        ValueError: No loss compares maps.
    """
    distiller = model.distiller
    mappings = distiller.loss_forward_mappings
    run_student = RecordedForward(
        model._student_records, records_needed(mappings, from_student=True)
    )
    try:
        model._run_teacher(inputs, data_samples)
        run_student(model, inputs, data_samples)
        pairs = [
            pair
            for name, arguments in mappings.items()
            for pair in _pairs_of(distiller, name, arguments)
        ]
    finally:
        model._forget_records()
    if not pairs:
        raise ValueError(
            'model.distiller.loss_forward_mappings: no loss compares a '
            '`s_feature` and a `t_feature` that are maps (B, C, H, W)'
        )
    return pairs


def _pairs_of(
    distiller, name: str, arguments: dict
) -> Iterator[ActivationPair]:
    if not {'s_feature', 't_feature'} <= arguments.keys():
        return
    loss = distiller.distill_losses[name]
    mix = getattr(loss, 'avg_weight', 0.5), getattr(loss, 'max_weight', 0.5)
    sources, levels = [], []
    for role in ('student', 'teacher'):
        record = arguments[f'{role[0]}_feature']
        recorders = getattr(distiller, f'{role}_recorders')
        sources.append(recorders.get_recorder(record['recorder']).source)
        levels.append(_maps(distiller, record))
    several = min(map(len, levels)) > 1
    for index, (s, t) in enumerate(zip(*levels, strict=False)):
        ours, theirs = (
            f'{source}[{index}]' if several else source for source in sources
        )
        grid = coarse_grid(s, t)
        maps = [
            activation_map(x.float(), grid, *mix).view(grid) for x in (s, t)
        ]
        yield ActivationPair(ours, theirs, *maps)


def _maps(distiller, record: dict) -> tuple[Tensor, ...]:
    """The record's maps: before the connector, or behind it if tokens."""
    bare = {k: v for k, v in record.items() if not k.startswith('connector')}
    for wanted in (bare, record):
        value = distiller.get_record(**wanted)
        levels = (value,) if isinstance(value, Tensor) else value
        if is_seq_of(levels, Tensor) and all(x.dim() == 4 for x in levels):
            return tuple(levels)
    return ()


def _through_pipeline(cfg: Config, image: str) -> dict:
    """The image as the test data set would hand it over, unlabelled."""
    dataset = cfg.test_dataloader.dataset
    while 'pipeline' not in dataset:  # a wrapper
        dataset = dataset.dataset
    pipeline = [
        step for step in dataset.pipeline if 'Annotations' not in step['type']
    ]
    return Compose(pipeline)(dict(img_path=image, img_id=0))


def _paint(
    pixels: np.ndarray,
    pairs: list[ActivationPair],
    padded: tuple[int, int],
    out: Path,
) -> None:
    rows = len(pairs)
    figure = Figure(
        figsize=(3 * _INCHES, rows * (_INCHES + 0.3)), layout='constrained'
    )
    axes = figure.subplots(rows, 3, squeeze=False)
    for (left, middle, right), pair in zip(axes, pairs, strict=True):
        _paint_one(left, pixels, None, padded, pair.student_module)
        _paint_one(
            middle,
            pixels,
            pair.teacher,
            padded,
            f'teacher, {pair.teacher_module}',
        )
        _paint_one(
            right,
            pixels,
            pair.student,
            padded,
            f'student, cosine {pair.cosine:.3f}',
        )
    figure.savefig(out, dpi=110)


def _paint_one(axes, pixels, activation, padded, title) -> None:
    axes.set_axis_off()
    axes.set_title(title, fontsize=8)
    axes.imshow(pixels)
    if activation is None:
        return
    height, width = pixels.shape[:2]
    fine = F.interpolate(activation[None, None], size=padded, mode='bilinear')[
        0, 0, :height, :width
    ]
    # Each map by its own range: what counts is where, not how much.
    axes.imshow(fine.cpu().numpy(), cmap='turbo', alpha=0.6)
