"""Scales a learning rate to the images of a whole step."""

from types import MethodType

from mmengine.optim import OptimWrapper
from mmengine.runner import Runner


def scale_by_accumulated_images(runner: Runner) -> None:
    """Let ``auto_scale_lr`` count the batches that one step accumulates.

    MMEngine compares ``base_batch_size`` to the images of one batch on all
    processes, whatever ``accumulative_counts`` of the optimizer's wrapper
    says.

    Args:
        runner: Built, and not running yet.
    """
    runner.scale_lr = MethodType(_scale_lr, runner)


def _scale_lr(
    runner: Runner,
    optim_wrapper: OptimWrapper,
    auto_scale_lr: dict | None = None,
) -> None:
    counts = getattr(optim_wrapper, '_accumulative_counts', 1)
    if counts == 1 or not (auto_scale_lr or {}).get('enable'):
        type(runner).scale_lr(runner, optim_wrapper, auto_scale_lr)
        return
    loader = runner._train_dataloader
    batch = loader['batch_size'] if isinstance(loader, dict) else None
    batch = batch or loader.batch_size
    images = batch * runner.world_size * counts
    base = auto_scale_lr['base_batch_size']
    ratio = images / base
    runner.logger.info(
        f'LR is set based on batch size of {base} and a step has {images} '
        f'images: {batch} in a batch, {runner.world_size} processes, {counts} '
        f'batches accumulated. Scaling the original LR by {ratio:g}.'
    )
    for group in optim_wrapper.optimizer.param_groups:
        group['lr'] *= ratio
