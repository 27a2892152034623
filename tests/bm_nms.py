"""What non-maximum suppression costs an evaluation, and at real sizes.

    python -m tests.bm_nms

Compares, on the same boxes and in turns:

* loop: the textbook's rule, one kept box after another, in torch;
* fallback: what `mmcv._ext` is given by cankd_mm where mmcv is not compiled;
* torchvision: its kernel, which the fallback calls where it is installed;
* compiled mmcv: its own C++, where it is installed.

The last two are left out where they are missing. All have to keep the same
boxes, or the benchmark stops. First come whole evaluations of the shipped
teacher of the digits, then single calls at the sizes of detectors on COCO.
"""

import argparse
import importlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import partial
from io import StringIO

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

import cankd_mm  # noqa: F401
from cankd_mm.compat import mmcv_ops
from cankd_mm.compat.mmcv_ops import common
from cankd_mm.compat.mmcv_ops import nms as fallback
from cankd_mm.utils.checkpoint import load_state, read_checkpoint, weights_of

Nms = Callable[[Tensor, Tensor, float, int], Tensor]
Boxes = tuple[Tensor, Tensor, float]
TEACHER = 'configs/digits/teacher_retinanet'
WIDTH, HEIGHT = 1333, 800


def loop(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """One kept box after another."""
    index = scores.argsort(descending=True, stable=True)
    x1, y1, x2, y2 = boxes.unbind(1)
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    kept = []
    while len(index):
        best, index = index[0], index[1:]
        kept.append(best)
        width = torch.minimum(x2[best], x2[index])
        width = width - torch.maximum(x1[best], x1[index]) + offset
        height = torch.minimum(y2[best], y2[index])
        height = height - torch.maximum(y1[best], y1[index]) + offset
        inter = width.clamp(min=0) * height.clamp(min=0)
        iou = inter / (area[best] + area[index] - inter)
        index = index[~(iou > iou_threshold)]
    return torch.stack(kept) if kept else index


def forms() -> dict[str, Nms]:
    """Name to implementation, of those that are installed."""
    found = {'loop': loop, 'fallback': fallback._greedy_nms}
    compiled = common.torchvision_ops(torch.empty(0))
    if compiled is not None:
        found['torchvision'] = lambda boxes, scores, iou_threshold, offset: (
            compiled.nms(boxes, scores, iou_threshold)
        )
    if not mmcv_ops.needed():
        found['compiled mmcv'] = importlib.import_module('mmcv._ext').nms
    return found


class Recorder:
    """Stands in for ``mmcv._ext.nms``, notes time and boxes of every call."""

    def __init__(self, nms: Nms):
        self.nms = nms
        self.seconds = 0.0
        self.calls = []

    def __call__(self, boxes, scores, iou_threshold, offset):
        """Calls the implementation."""
        start = time.perf_counter()
        kept = self.nms(boxes, scores, iou_threshold, offset)
        self.seconds += time.perf_counter() - start
        self.calls.append((boxes, scores, iou_threshold))
        return kept


def build_evaluation(images: int, folder: str) -> Callable[[], dict]:
    """Evaluates the shipped teacher of the digits."""
    cfg = Config.fromfile(f'{TEACHER}.py')
    cfg.work_dir = folder
    cfg.test_dataloader.dataset.indices = images
    cfg.test_dataloader.num_workers = 0
    cfg.test_dataloader.persistent_workers = False
    runner = Runner.from_cfg(cfg)
    checkpoint = f'{TEACHER}.pth'
    content = read_checkpoint(checkpoint, 'checkpoint')
    state = weights_of(content, checkpoint, 'checkpoint')
    load_state(runner.model, state, checkpoint).require(1, 'config')
    return runner.test


def quietly(function: Callable[[], dict]) -> dict:
    """Runs a function without what it prints."""
    with redirect_stdout(StringIO()):
        logging.disable(logging.WARNING)
        try:
            return function()
        finally:
            logging.disable(logging.NOTSET)


def print_row(name: str, seconds: Mapping[str, list[float]], base: str):
    """Medians in milliseconds, and their ratio to one form's."""
    medians = {form: statistics.median(s) for form, s in seconds.items()}
    cells = (
        f'{1000 * m:9.2f} ({m / medians[base]:5.2f}x)'
        for m in medians.values()
    )
    print(f'{name:40}' + ''.join(f'{cell:>20}' for cell in cells), flush=True)


def measure_evaluations(
    implementations: Mapping[str, Nms], args: argparse.Namespace, base: str
) -> None:
    """Whole evaluations and the part of them that is suppression."""
    module = importlib.import_module('mmcv.ops.nms').ext_module
    original = module.nms
    whole = {name: [] for name in implementations}
    part = {name: [] for name in implementations}
    metrics, sizes = [], []
    with tempfile.TemporaryDirectory() as folder:
        evaluate = quietly(partial(build_evaluation, args.images, folder))
        try:
            for repeat in range(args.repeats + 1):
                for name, nms in implementations.items():
                    module.nms = recorder = Recorder(nms)
                    start = time.perf_counter()
                    metrics.append(quietly(evaluate))
                    seconds = time.perf_counter() - start
                    if repeat:  # the first one warms up
                        whole[name].append(seconds)
                        part[name].append(recorder.seconds)
                    sizes = [len(boxes) for boxes, *_ in recorder.calls]
        finally:
            module.nms = original
    if any(m != metrics[0] for m in metrics):
        raise RuntimeError(f'the evaluations differ: {metrics}')
    print(
        f'digits, {args.images} images, a call each of {min(sizes)} to '
        f'{max(sizes)} boxes, bbox_mAP {metrics[0]["coco/bbox_mAP"]}'
    )
    print_row('evaluation', whole, base)
    print_row('of that, suppression', part, base)


def clusters(count: int, groups: int, objects: int, threshold: float) -> Boxes:
    """Predictions around objects, shifted by group as batched_nms does."""
    generator = torch.Generator().manual_seed(0)
    image = torch.tensor([WIDTH, HEIGHT])
    which = torch.randint(objects, (count,), generator=generator)
    centre = torch.rand(objects, 2, generator=generator) * image
    centre = centre[which] + torch.randn(count, 2, generator=generator) * 8
    size = 20 + 180 * torch.rand(objects, 2, generator=generator)
    size = size[which] * (1 + 0.1 * torch.randn(count, 2, generator=generator))
    boxes = torch.cat((centre - size / 2, centre + size / 2), 1)
    group = torch.randint(groups, (count,), generator=generator)
    boxes = boxes + group[:, None] * (boxes.max() + 1)
    # Distinct, since compiled mmcv sorts equal scores at will.
    scores = torch.randperm(count, generator=generator) / count
    return boxes, scores, threshold


CASES = {
    'RetinaNet, 80 classes': (1000, 80, 20, 0.5),
    'RetinaNet, 80 classes, 5 levels full': (5000, 80, 200, 0.5),
    'RPN, 5 levels, test': (4700, 5, 40, 0.7),
    'RPN, 5 levels, training': (8800, 5, 40, 0.7),
    'Faster R-CNN, one class': (2000, 1, 40, 0.5),
}


def measure_call(
    name: str, case: tuple, implementations: Mapping[str, Nms], repeats: int
) -> dict[str, list[float]]:
    """Seconds of single calls, forms in turns."""
    boxes, scores, threshold = clusters(*case)
    seconds = {form: [] for form in implementations}
    kept = {}
    for repeat in range(repeats + 1):
        for form, nms in implementations.items():
            start = time.perf_counter()
            kept[form] = nms(boxes, scores, threshold, 0)
            if repeat:
                seconds[form].append(time.perf_counter() - start)
    for form, result in kept.items():
        if not torch.equal(result, kept['loop']):
            raise RuntimeError(f'{name}: {form} keeps other boxes than loop')
    return seconds


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=48)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    implementations = forms()
    base = list(implementations)[-1]
    print(
        f'torch {torch.__version__}, CPU, {args.threads} thread(s), ms, '
        f'medians of {args.repeats}, ratios to {base}'
    )
    print(f'{"":40}' + ''.join(f'{name:>20}' for name in implementations))
    measure_evaluations(implementations, args, base)
    for name, case in CASES.items():
        row = measure_call(name, case, implementations, args.repeats)
        print_row(f'{name}, {case[0]}', row, base)


if __name__ == '__main__':
    main()
