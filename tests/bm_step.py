r"""What a distillation step costs over a plain training step.

    python -m tests.bm_step \
        configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py \
        --device cuda --batch 8 --size 800 1344 --amp bfloat16

Random weights and random images; nothing is downloaded. Timed in turns: the
student alone, student and teacher features without a distillation loss (the
lower bound of any method on this pair), and the whole step. Each is forward,
backward and optimiser; the teacher has no backward.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData

import cankd_mm  # noqa: F401
from cankd_mm.utils.config_path import resolve_path

GIB = 2**30


def build(args: argparse.Namespace):
    """The algorithm of a config, with random weights, in training mode."""
    cfg = Config.fromfile(resolve_path(args.config, 'config'))
    model = cfg.model
    model.update(teacher_ckpt=None, allow_random_teacher=True)
    model.update(teacher_dtype=args.teacher_dtype)
    model.architecture.backbone.init_cfg = None
    DefaultScope.get_instance('bm_step', scope_name=cfg.default_scope)
    torch.manual_seed(0)
    algorithm = MODELS.build(model)
    algorithm.init_weights()
    return algorithm.to(args.device).train()


def random_batch(args: argparse.Namespace) -> dict:
    """Images with ten boxes each, as a data loader gives them."""
    from mmdet.structures import DetDataSample

    generator = torch.Generator().manual_seed(0)
    height, width = args.size
    batch = dict(inputs=[], data_samples=[])
    for _ in range(args.batch):
        image = torch.randint(
            0, 256, (3, height, width), dtype=torch.uint8, generator=generator
        )
        low = torch.rand(10, 2, generator=generator) * 0.6
        high = low + 0.05 + torch.rand(10, 2, generator=generator) * 0.3
        scale = torch.tensor([width, height])
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                ori_shape=(height, width),
                scale_factor=(1.0, 1.0),
                img_id=0,
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([low * scale, high * scale], 1),
            labels=torch.randint(0, 80, (10,), generator=generator),
        )
        batch['inputs'].append(image)
        batch['data_samples'].append(sample)
    return batch


def steps(algorithm, args: argparse.Namespace) -> dict[str, Callable]:
    """Name to a function that takes one training step."""
    data = algorithm.data_preprocessor(random_batch(args), True)
    optimizer = torch.optim.SGD(
        [p for p in algorithm.parameters() if p.requires_grad], lr=1e-4
    )
    precision = (
        torch.autocast(args.device, getattr(torch, args.amp))
        if args.amp
        else nullcontext()
    )

    def student_alone() -> dict:
        return algorithm.student(**data, mode='loss')

    def with_teacher_features() -> dict:
        with algorithm.distiller.teacher_recorders:
            algorithm._run_teacher(data['inputs'], data['data_samples'])
        algorithm._forget_records()
        return student_alone()

    def distillation() -> dict:
        return algorithm(**data, mode='loss')

    def step_with(losses: Callable[[], dict]) -> Callable[[], None]:
        def step() -> None:
            optimizer.zero_grad()
            with precision:
                total, _ = algorithm.parse_losses(losses())
            total.backward()
            optimizer.step()

        return step

    return {
        'student alone': step_with(student_alone),
        'and teacher features': step_with(with_teacher_features),
        'distillation': step_with(distillation),
    }


def timed(step: Callable[[], None], device: str) -> tuple[float, float]:
    """Seconds of one step, and its peak of allocated GiB on a GPU."""
    on_gpu = device.startswith('cuda')
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step()
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / GIB if on_gpu else float('nan')
    return seconds, peak


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='a detection distillation config')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument(
        '--size', type=int, nargs=2, default=[320, 320], metavar=('H', 'W')
    )
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--amp', choices=['bfloat16', 'float16'])
    parser.add_argument('--teacher-dtype', choices=['bfloat16', 'float16'])
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    args = parse_args()
    algorithm = build(args)
    variants = steps(algorithm, args)
    measured = {name: [] for name in variants}
    for repeat in range(args.repeats + 2):
        for name, step in variants.items():
            result = timed(step, args.device)
            if repeat > 1:  # the first two warm up
                measured[name].append(result)
    device = (
        torch.cuda.get_device_name()
        if args.device.startswith('cuda')
        else f'CPU, {torch.get_num_threads()} threads'
    )
    print(
        f'{args.config}\n{device}, torch {torch.__version__}, batch '
        f'{args.batch}, {args.size[0]}x{args.size[1]}, '
        f'{args.amp or "float32"}, teacher {args.teacher_dtype or "as is"}, '
        f'median of {args.repeats}'
    )
    print(f'{"step":22}{"ms":>10}{"to student":>12}{"peak GiB":>10}')
    base = None
    for name, results in measured.items():
        seconds = statistics.median(second for second, _ in results)
        peak = max(peak for _, peak in results)
        base = base or seconds
        print(
            f'{name:22}{1000 * seconds:10.1f}{seconds / base:11.2f}x'
            f'{peak:10.2f}'
        )


if __name__ == '__main__':
    main()
