r"""Local backward beside one backward of the sum: memory and parameters.

    python -m tests.bm_lakd
    python -m tests.bm_lakd --device cuda --batch 8

A distillation config of LAKD with random weights and random images, cut on
the inputs and on the outputs of its local modules. Prints the peak memory of
a training step of both forms, and how far their parameters are apart after
five optimizer steps in float64.

On a CPU peak memory is what the resident set of a fresh process per form
grows by in its second step, above weights, gradients and optimizer state; it
is read from /proc, so on Linux only.
"""

import argparse
import logging

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope

import cankd_mm  # noqa: F401
from cankd_mm.benchmarks.measuring import (
    MIB,
    in_own_process,
    peak_above,
    synchronise,
)
from cankd_mm.benchmarks.random_batch import detection_batch

CONFIG = 'configs/lakd/lakd_retinanet-r101_retinanet-r50_2x_coco.py'
FORMS = {'one backward': False, 'local backward': True}


def build(args: argparse.Namespace, on: str, local_backward: bool):
    """The algorithm of a config, cut ``on`` a side of its modules."""
    logging.disable(logging.WARNING)  # every module tells how it begins
    model = Config.fromfile(args.config).model
    model.update(
        teacher_ckpt=None,
        allow_random_teacher=True,
        local_backward=local_backward,
        dry_run_size=(128, 128),
        truncations=truncations(model, on),
    )
    if args.thaw:
        model.architecture.backbone.frozen_stages = -1
    model.architecture.backbone.init_cfg = None
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        algorithm = MODELS.build(model)
    algorithm.init_weights()
    return algorithm.to(args.device).train()


def truncations(model: Config, on: str) -> list[dict]:
    """The config's cuts, moved to the other side of the boundary."""
    cuts = [truncation.module for truncation in model.truncations]
    if on == 'input':
        return [dict(module=module, on=on) for module in cuts]
    recorded = [
        recorder.source
        for recorder in model.distiller.student_recorders.values()
    ]
    # The last module of each local module is recorded.
    return [dict(module=source, on=on) for source in recorded[: len(cuts)]]


def optimizer_of(algorithm) -> OptimWrapper:
    """SGD as detectors are trained, with clipping."""
    parameters = [p for p in algorithm.parameters() if p.requires_grad]
    return OptimWrapper(
        torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=1e-4),
        clip_grad=dict(max_norm=35),
    )


def take_steps(
    algorithm,
    wrapper: OptimWrapper,
    args: argparse.Namespace,
    size: tuple[int, int],
    count: int = 1,
) -> None:
    """Trains on one batch."""
    batch = detection_batch(args.batch, size)
    for _ in range(count):
        algorithm.train_step(batch, wrapper)
    synchronise(args.device)


def peak_of_a_step(args: argparse.Namespace, on: str, early: bool) -> int:
    """Bytes that one step needs, above weights and optimizer state."""
    torch.set_num_threads(args.threads)
    algorithm = build(args, on, early)
    wrapper = optimizer_of(algorithm)
    # Libraries load, threads start and momentum is made before the count.
    take_steps(algorithm, wrapper, args, (128, 128))
    return peak_above(
        lambda: take_steps(algorithm, wrapper, args, tuple(args.size)),
        args.device,
    )


def compare_parameters(args: argparse.Namespace, on: str) -> str:
    """How far float64 steps of both forms lead, and lead apart."""
    ends = []
    for early in FORMS.values():
        algorithm = build(args, on, early).double()
        start = copies(algorithm)
        wrapper = optimizer_of(algorithm)
        take_steps(algorithm, wrapper, args, tuple(args.size), args.steps)
        ends.append(copies(algorithm))
    return (
        f'parameters moved by up to {largest_difference(start, ends[0]):.1e} '
        f'and differ by at most {largest_difference(*ends):.1e}'
    )


def copies(algorithm) -> list[torch.Tensor]:
    """Its trainable parameters as they are."""
    return [
        p.detach().clone() for p in algorithm.parameters() if p.requires_grad
    ]


def largest_difference(
    ours: list[torch.Tensor], theirs: list[torch.Tensor]
) -> float:
    """Of any number; NaN where there is one."""
    pairs = zip(ours, theirs, strict=True)
    return torch.stack([(a - b).abs().max() for a, b in pairs]).max().item()


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=CONFIG, help='a detection config')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument(
        '--size', type=int, nargs=2, default=[512, 512], metavar=('H', 'W')
    )
    parser.add_argument(
        '--on', nargs='+', default=['output', 'input'], help='sides of cuts'
    )
    parser.add_argument(
        '--steps',
        type=int,
        default=5,
        help='steps before parameters are compared; 0 leaves that out',
    )
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument(
        '--thaw', action='store_true', help='train the first stage, too'
    )
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    device = args.device
    if device.startswith('cuda'):
        device = torch.cuda.get_device_name(device)
    print(
        f'{args.config}\n{device}, torch {torch.__version__}, batch '
        f'{args.batch}, {args.size[0]}x{args.size[1]}, peak memory of a '
        f'float32 step' + (', first stage trained' if args.thaw else '')
    )
    print(
        f'{"cut on":8}{"one backward":>16}{"local backward":>18}{"ratio":>9}'
    )
    for on in args.on:
        summed, early = (
            in_own_process(peak_of_a_step, args, on, early) / MIB
            for early in FORMS.values()
        )
        print(
            f'{on:8}{summed:12.0f} MiB{early:14.0f} MiB{summed / early:8.2f}x',
            flush=True,
        )
    for on in args.on if args.steps else ():
        print(
            f'{on}, {args.steps} steps in float64: '
            f'{compare_parameters(args, on)}',
            flush=True,
        )


if __name__ == '__main__':
    main()
