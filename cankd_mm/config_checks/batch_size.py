"""The learning rate is made for the batch size of the run."""

from collections.abc import Iterator

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, info, warning


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Compares the actual batch to the one the config is made for.

    Without the number of GPUs, it only finds what holds for any number.
    """
    cfg = examined.cfg
    loader = cfg.get('train_dataloader') or {}
    per_gpu = loader.get('batch_size')
    scaling = cfg.get('auto_scale_lr') or {}
    base = scaling.get('base_batch_size')
    if not per_gpu:
        return
    if not base:
        yield info(
            'auto_scale_lr.base_batch_size',
            'nothing says which batch size the learning rate is made for',
            'the number of images a step',
        )
        return
    wrapper = cfg.get('optim_wrapper') or {}
    accumulated = per_gpu * wrapper.get('accumulative_counts', 1)
    if examined.gpus is not None:
        yield _compare(cfg, base, accumulated * examined.gpus)
    elif base % accumulated and not scaling.get('enable'):
        yield warning(
            'auto_scale_lr.base_batch_size',
            f'{base}, but on any number of GPUs a step has a multiple of '
            f'{accumulated} images',
            'the images a step that the learning rate is made for',
            'Correct it, or train_dataloader.batch_size',
        )


def _compare(cfg, base: int, actual: int) -> Finding:
    rate = (cfg.get('optim_wrapper') or {}).get('optimizer', {}).get('lr')
    key = 'optim_wrapper.optimizer.lr'
    found = (
        f'the learning rate {rate} is made for {base} images a step; this '
        f'run has {actual}'
    )
    if actual == base:
        return info(key, found)
    if cfg.auto_scale_lr.get('enable'):
        return info(key, f'{found} and scales it')
    scaled = '' if rate is None else f' it would be {rate * actual / base:g}'
    return warning(
        key, found, '', f'With --auto-scale-lr{scaled or " it follows"}'
    )
