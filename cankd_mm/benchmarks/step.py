"""A whole training step, beside its lower bound and MMRazor's algorithms.

Random weights and random images; nothing is downloaded. The lower bound of
any method on a pair is the student's step and the forward of the teacher's
backbone, neck or (where a head is recorded) whole, without gradients: no
recorders, no loss, nothing else. Where the config lays the teacher out
channels-last there is a second bound, which does so too. MMRazor's algorithms
take the same loss; `as printed` gives it CanKD's formula with all affinities,
as published.
"""

import argparse
import copy
import logging
import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmrazor.registry import MODELS
from torch import Tensor, nn

from cankd_mm.benchmarks.forms import cankd_as_printed
from cankd_mm.benchmarks.hardware import hardware, on_gpu, sentence
from cankd_mm.benchmarks.losses import add_clock
from cankd_mm.benchmarks.measuring import (
    CLOCKS,
    in_turns,
    median_ratio,
    synchronise,
)
from cankd_mm.benchmarks.random_batch import (
    detection_batch,
    segmentation_batch,
)
from cankd_mm.benchmarks.report import table, times, write
from cankd_mm.losses import CanKDLoss
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.model_config import build_model

GIB = 2**30
STUDENT, BOUND = 'student alone', 'student and teacher features'
LAID_OUT = f'{BOUND}, channels-last'
OURS = 'FrozenTeacherDistill'
AS_PRINTED = 'SingleTeacherDistill, as printed'
#: Config, height, width and images of a batch.
PAIRS = (
    ('configs/digits/cankd_retinanet.py', 96, 96, 16),
    (
        'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py',
        320,
        320,
        2,
    ),
    (
        'configs/cankd/cankd_faster-rcnn-r101_faster-rcnn-r50_2x_coco.py',
        320,
        320,
        2,
    ),
)
_COLUMNS = (
    ('step', 'step', 's'),
    ('ms', 'ms', '.1f'),
    ('to_student', 'to the student', times),
    ('to_bound', 'to the bound', times),
    ('to_ours', 'to ours', times),
    ('peak_gib', 'peak GiB', '.2f'),
)


@dataclass(frozen=True)
class Options:
    """How the steps are taken.

    Attributes:
        device: Where.
        amp: Number format of autocast, None for none.
        teacher_dtype: Number format of the teacher in our step and in the
            lower bound, None for its own.
        clock: Which of :data:`CLOCKS` is read.
    """

    device: str = 'cpu'
    amp: str | None = None
    teacher_dtype: str | None = None
    clock: str = 'wall'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``benchmark.py step`` is asked."""
    parser.add_argument(
        'configs',
        nargs='*',
        help='distillation configs (CanKD on the digits, RetinaNet and '
        'Faster R-CNN)',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='of the images (96 96 for the digits, else 320 320)',
    )
    parser.add_argument(
        '--batch', type=int, help='images (16 of the digits, else 2)'
    )
    parser.add_argument('--device', default='cpu', help='(cpu)')
    parser.add_argument('--repeats', type=int, default=7, help='rounds (7)')
    parser.add_argument(
        '--seconds',
        type=float,
        default=300,
        help='no further round of a config begins after this time (300)',
    )
    add_clock(parser)
    half = ['bfloat16', 'float16']
    parser.add_argument('--amp', choices=half, help='autocast (none)')
    parser.add_argument(
        '--teacher-dtype', choices=half, help="(the teacher's own)"
    )


def run(args: argparse.Namespace) -> None:
    """Measures, prints and writes."""
    logging.disable(logging.WARNING)  # models tell how they begin
    options = Options(args.device, args.amp, args.teacher_dtype, args.clock)
    found = hardware(args.device)
    print(
        f'{sentence(found)}\n{args.amp or "float32"}, teacher '
        f'{args.teacher_dtype or "as is"}, {args.clock} time. Medians of '
        'rounds in turns; ratios are medians of\nthose within a round.'
    )
    rows = []
    for config, *size, batch in _pairs(args):
        result = measure(
            config, tuple(size), batch, options, args.repeats, args.seconds
        )
        print(
            f'\n{config}\nbatch {batch}, {size[0]}x{size[1]}, '
            f'{result[0]["rounds"]} rounds\n\n{table(result, _COLUMNS)}',
            flush=True,
        )
        rows += result
    settings = dict(vars(options), repeats=args.repeats, seconds=args.seconds)
    write(args.json, 'step', found, settings, rows)


def _pairs(args: argparse.Namespace) -> list[tuple]:
    """What the command line names, or the defaults."""
    known = {pair[0]: pair for pair in PAIRS}
    chosen = [
        known.get(config, (config, 320, 320, 2))
        for config in args.configs or known
    ]
    return [
        (config, *(args.size or size), args.batch or batch)
        for config, *size, batch in chosen
    ]


def measure(
    config: str,
    size: tuple[int, int],
    batch: int,
    options: Options,
    repeats: int,
    seconds: float,
) -> list[dict]:
    """A row for each kind of step.

    Args:
        config: A distillation config of MMDetection or MMSegmentation.
        size: Height and width of the images.
        batch: Their number.
        options: How the steps are taken.
        repeats: Rounds.
        seconds: After this time no further round begins.
    """
    cfg = config_from_file(config, 'config')
    scope = cfg.default_scope
    make = segmentation_batch if scope == 'mmseg' else detection_batch
    with DefaultScope.overwrite_default_scope(scope):
        steps = training_steps(cfg.model, make(batch, size), options)
        results = in_turns(
            {
                name: lambda step=step: timed(step, options)
                for name, step in steps.items()
            },
            repeats,
            seconds,
        )
    taken = {
        name: [second for second, _ in result]
        for name, result in results.items()
    }
    return [
        dict(
            config=config,
            size=list(size),
            batch=batch,
            step=name,
            ms=1000 * median(taken[name]),
            to_student=median_ratio(taken[STUDENT], taken[name]),
            to_bound=median_ratio(taken[BOUND], taken[name]),
            to_ours=median_ratio(taken[OURS], taken[name]),
            peak_gib=max(peak for _, peak in result) / GIB
            if on_gpu(options.device)
            else None,
            rounds=len(result),
        )
        for name, result in results.items()
    ]


def timed(step: Callable[[], None], options: Options) -> tuple[float, int]:
    """Seconds of one step, and its peak of allocated bytes on a GPU."""
    # Every step draws the same samples.
    torch.manual_seed(0)
    device, clock = options.device, CLOCKS[options.clock]
    synchronise(device)
    if on_gpu(device):
        torch.cuda.reset_peak_memory_stats(device)
    start = clock()
    step()
    synchronise(device)
    seconds = clock() - start
    peak = torch.cuda.max_memory_allocated(device) if on_gpu(device) else 0
    return seconds, peak


# ------------------------------------------------------------------ steps


def training_steps(
    model: dict, batch: dict, options: Options
) -> dict[str, Callable[[], None]]:
    """Name to a function that takes one training step.

    Each has models of its own, all with the same weights.

    Args:
        model: The model of a distillation config.
        batch: As a data loader gives it.
        options: How the steps are taken.
    """
    torch.manual_seed(0)
    student = initialised(model['architecture'], 'model.architecture')
    teacher = initialised(model['teacher'], 'model.teacher')
    steps = {STUDENT: _step(copy.deepcopy(student), batch, options)}
    layouts = {BOUND: torch.contiguous_format}
    if model.get('teacher_channels_last'):
        layouts[LAID_OUT] = torch.channels_last
    for name, layout in layouts.items():
        features = teacher_features(
            copy.deepcopy(teacher), model, options, layout
        )
        steps[name] = _step(copy.deepcopy(student), batch, options, features)
    ours = {
        **model,
        'teacher_ckpt': None,
        'student_ckpt': None,
        'allow_random_teacher': True,
        'teacher_dtype': options.teacher_dtype,
    }
    theirs = dict(distiller={'_scope_': 'mmrazor', **model['distiller']})
    single = dict(theirs, type='mmrazor.SingleTeacherDistill')
    algorithms = {OURS: ours}
    if options.teacher_dtype is None:
        algorithms[f'{OURS}, lean teacher'] = {
            **ours,
            'teacher_dtype': 'bfloat16',
            'teacher_channels_last': True,
        }
    algorithms['SingleTeacherDistill'] = single
    if stops_behind(model) != 'head':
        fpn = dict(theirs, type='mmrazor.FpnTeacherDistill')
        algorithms['FpnTeacherDistill'] = fpn
    losses = model['distiller']['distill_losses'].values()
    if any(loss['type'].endswith('CanKDLoss') for loss in losses):
        algorithms[AS_PRINTED] = single
    for name, algorithm in algorithms.items():
        built = MODELS.build(
            {
                **algorithm,
                'architecture': copy.deepcopy(student),
                'teacher': copy.deepcopy(teacher),
            }
        )
        if name == AS_PRINTED:
            use_printed_formula(built.distiller)
        steps[name] = _step(built, batch, options)
    return steps


def use_printed_formula(distiller: nn.Module) -> None:
    """Makes every CanKD loss compute as it is printed."""
    for loss in distiller.distill_losses.values():
        if isinstance(loss, CanKDLoss):
            loss.forward = partial(_as_printed, loss)


def _as_printed(loss: CanKDLoss, s_feature, t_feature) -> Tensor:
    return cankd_as_printed(loss, s_feature, t_feature)


def initialised(cfg: dict, key: str) -> BaseModel:
    """A model with random weights; nothing is downloaded for it."""
    model = build_model(cfg, key)
    for module in model.modules():
        init_cfg = getattr(module, 'init_cfg', None)
        if isinstance(init_cfg, dict) and init_cfg['type'] == 'Pretrained':
            module.init_cfg = None
    model.init_weights()
    return model


def stops_behind(model: dict) -> str:
    """What of the teacher the recorders need: backbone, neck or head."""
    needed = {
        recorder['source'].partition('.')[0]
        for recorder in model['distiller']['teacher_recorders'].values()
    }
    if needed <= {'backbone'}:
        return 'backbone'
    return 'neck' if needed <= {'backbone', 'neck'} else 'head'


def teacher_features(
    teacher: BaseModel,
    model: dict,
    options: Options,
    layout: torch.memory_format = torch.contiguous_format,
) -> Callable[[Tensor, list], None]:
    """A function that runs the teacher as far as it is needed."""
    teacher.to(options.device).eval().requires_grad_(False)
    dtype = getattr(torch, options.teacher_dtype or 'float32')
    teacher.to(dtype=dtype, memory_format=layout)
    last = stops_behind(model)
    device_type = torch.device(options.device).type

    @torch.no_grad()
    def features(images: Tensor, data_samples: list) -> None:
        images = images.to(dtype=dtype, memory_format=layout)
        context = (
            torch.autocast(device_type, dtype)
            if options.teacher_dtype
            else nullcontext()
        )
        with context:
            if last == 'backbone':
                teacher.backbone(images)
            elif last == 'neck':
                teacher.extract_feat(images)
            else:
                teacher(images, data_samples, mode='tensor')

    return features


def _step(
    model: BaseModel,
    batch: dict,
    options: Options,
    before: Callable[[Tensor, list], None] | None = None,
) -> Callable[[], None]:
    """One step of a model: preprocessing, forward, backward, optimiser."""
    model.to(options.device)
    model.train()
    # Rate 0: the steps of all rounds are one and the same.
    optimizer = torch.optim.SGD(
        trainable(model), lr=0.0, momentum=0.9, weight_decay=1e-4
    )
    context = nullcontext()
    if options.amp:
        device_type = torch.device(options.device).type
        context = torch.autocast(device_type, getattr(torch, options.amp))

    def step() -> None:
        optimizer.zero_grad()
        data = model.data_preprocessor(batch, True)
        with context:
            if before is not None:
                before(data['inputs'], data['data_samples'])
            losses = model(**data, mode='loss')
            total, _ = model.parse_losses(losses)
        total.backward()
        optimizer.step()
        if not math.isfinite(total.detach()):
            raise ValueError(f'the losses are not finite: {losses}')

    return step


def trainable(model: nn.Module) -> Iterable[nn.Parameter]:
    """The parameters that learn."""
    return [p for p in model.parameters() if p.requires_grad]
