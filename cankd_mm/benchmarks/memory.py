"""The forecast of memory beside the peak of real training steps.

Two steps run in a process of their own, on a CPU, with random weights and
images: both models are built there, and what the process grows by is the
measured peak. It has the task loss with its targets, the optimizer's states,
and what kernels and libraries take for themselves; the forecast has only the
states of these.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from cankd_mm.benchmarks.hardware import hardware, sentence
from cankd_mm.benchmarks.measuring import MIB, in_own_process, resident
from cankd_mm.benchmarks.report import table, write
from cankd_mm.pairing.memory import forecast_memory
from cankd_mm.pairing.one_step import train_one_step
from cankd_mm.utils.config_file import config_from_file

#: Config, height and width.
PAIRS = (
    ('configs/digits/cankd_retinanet.py', 256, 256),
    ('configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py', 512, 512),
    (
        'configs/cankd/cankd_faster-rcnn-r101_faster-rcnn-r50_2x_coco.py',
        512,
        512,
    ),
    ('configs/cankd/cankd_rtmdet-m_rtmdet-s_300e_coco.py', 512, 512),
    ('configs/cskd/cskd_retinanet-r101_retinanet-swin-t_1x_coco.py', 512, 512),
    (
        'configs/cankd/cankd_pspnet-r101_pspnet-r18_40k_voc12aug.py',
        512,
        512,
    ),
    (
        'configs/tat/tat_deeplabv3plus-r101_deeplabv3plus-r18_40k_voc12aug.py',
        512,
        512,
    ),
    ('configs/lakd/lakd_segformer-b2_segformer-b0_40k_voc12aug.py', 512, 512),
)
_COLUMNS = (
    ('pair', 'pair', 's'),
    ('size', 'image', 's'),
    ('images', 'images', 'd'),
    ('forecast', 'forecast MiB', '.0f'),
    ('measured', 'measured MiB', '.0f'),
    ('error', 'error', '+.1%'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        'configs',
        nargs='*',
        metavar='CONFIG',
        help='distillation configs, at 512x512 (a selection of the zoo)',
    )
    parser.add_argument(
        '--images',
        nargs='+',
        type=int,
        default=[2, 4],
        help='images of a step (2 4)',
    )


def run(args: argparse.Namespace) -> None:
    """Measure, print and write."""
    pairs = [(path, 512, 512) for path in args.configs] or PAIRS
    found = hardware()
    print(f'{sentence(found)}\n', flush=True)
    rows: list[dict[str, Any]] = []
    for path, height, width in pairs:
        size = (height, width)
        forecast = forecast_memory(config_from_file(path, 'config'), size)
        for images in args.images:
            measured = in_own_process(
                peak_of_a_step, path, size, images, args.threads
            )
            expected = forecast.total(images)
            rows.append(
                dict(
                    pair=Path(path).stem,
                    size=f'{height}x{width}',
                    images=images,
                    forecast=expected / MIB,
                    measured=measured / MIB,
                    error=expected / measured - 1,
                )
            )
    print(table(rows, _COLUMNS))
    largest = max(abs(row['error']) for row in rows)
    print(f'\nLargest error: {largest:.0%}.')
    settings = dict(threads=args.threads)
    write(args.json, 'memory', found, settings, rows)


def peak_of_a_step(
    path: str, size: tuple[int, int], images: int, threads: int
) -> int:
    """Return the bytes by which a process grows when it trains one step.

    Args:
        path: A distillation config.
        size: Height and width of the images.
        images: Their number.
        threads: CPU threads of torch.
    """
    torch.set_num_threads(threads)
    cfg: Config = config_from_file(path, 'config')
    # Libraries load and threads start before the count begins.
    forecast_memory(cfg, (128, 128))
    nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 64, 64)).sum().backward()
    before = resident('VmRSS')
    # An optimizer makes its states at the end of the first step.
    train_one_step(cfg, size, images, steps=2)
    return resident('VmHWM') - before
