"""Says what a training run is doing, and remembers its curves."""

import sys
import time
from dataclasses import dataclass, field

from mmengine.hooks import Hook


@dataclass
class Curves:
    """What a run looked like over its iterations.

    Attributes:
        loss: ``(iteration, task loss)``, the distillation terms left out.
        mAP: ``(iteration, mAP in percent)``.
    """

    loss: list[tuple[int, float]] = field(default_factory=list)
    mAP: list[tuple[int, float]] = field(default_factory=list)


class ProgressHook(Hook):
    """Prints a line every few iterations and after every validation.

    Args:
        interval: Iterations between two lines. Defaults to 20.
        stream: Where to print. Defaults to today's ``sys.stdout``, which is
            kept: the caller may redirect it later.
    """

    priority = 'LOWEST'

    def __init__(self, interval: int = 20, stream=None):
        self.interval = interval
        self.stream = stream or sys.stdout
        self.curves = Curves()
        self._training_seconds = 0.0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        """Starts the clock of one iteration."""
        self._started = time.perf_counter()

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        """Notes the loss; prints it with the time to go."""
        self._training_seconds += time.perf_counter() - self._started
        iteration, total = runner.iter + 1, runner.max_iters
        loss = sum(
            float(value)
            for name, value in outputs.items()
            if name.split('.')[-1] in ('loss_cls', 'loss_bbox')
        )
        self.curves.loss.append((iteration, loss))
        if iteration % self.interval == 0 or iteration == total:
            per_iteration = self._training_seconds / iteration
            self._print(
                f'iteration {iteration:4d}/{total}  task loss {loss:6.3f}  '
                f'{per_iteration:.2f} s each, '
                f'{per_iteration * (total - iteration):3.0f} s to go'
            )

    def after_val_epoch(self, runner, metrics=None):
        """Notes and prints the mAP."""
        # CocoMetric says nothing where no box was found.
        score = 100 * metrics.get('coco/bbox_mAP', 0.0)
        self.curves.mAP.append((runner.iter, score))
        self._print(f'validation: {score:.1f} mAP')

    def _print(self, text: str) -> None:
        print(f'     {text}', file=self.stream, flush=True)
