"""Takes one training step of any config, on random images."""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import set_random_seed

from cankd_mm.config_checks.quiet import quiet
from cankd_mm.pairing.random_batch import (
    label_classes,
    loaded_labels,
    random_batch,
)
from cankd_mm.pairing.random_batch.batch import is_segmentor
from cankd_mm.pairing.random_model import (
    calibrate,
    for_one_process,
    random_model,
)
from cankd_mm.utils.config_walk import dicts, type_name
from cankd_mm.utils.model_config import model_config_from_file
from cankd_mm.utils.random_state import preserved_random_state

_SIZE = (256, 256)
_PREFIX = 'distill.'
# What a runner tells the models that change while they train.
_PROGRESS = dict(epoch=0, iter=0, max_epochs=12, max_iters=1000)
# What only the wrapper of mixed precision has, which needs a GPU.
_OF_AMP = ('loss_scale', 'dtype', 'use_fsdp')


@dataclass(frozen=True)
class Step:
    """What one training step returned.

    Attributes:
        losses: Every logged loss by its name, and 'loss', their sum.
        seconds: How long the step took, without building the models.
    """

    losses: dict[str, float]
    seconds: float


def train_one_step(
    cfg: Config,
    size: tuple[int, int] | None = None,
    images: int = 2,
    steps: int = 1,
) -> Step:
    """Build the model of a config with random weights and train it once.

    The model is a plain one, or a distillation by one of this package's
    algorithms, whose teacher gets random weights, too. Nothing is downloaded
    and the random state is preserved. The step is the one of a runner on a
    CPU: data preprocessor, losses, backward, and the optimizer of the
    config's ``optim_wrapper``; without batch augmentation, with batch norms
    of one process, in full precision.

    Args:
        cfg: A whole config; it is not changed.
        size: Height and width of the images. None for the size to which the
            data preprocessor of a segmentor pads them, or 256 x 256.
        images: Number of images.
        steps: How many steps are taken on them; the last one is returned.

    Raises:
        ValueError: The config lacks a model or an optimizer, or the models
            of a distillation do not fit.
        RuntimeError: A loss or a weight is not finite, or a distillation
            logs no distill loss.
        Exception: Whatever else building or training a model raises.

    Examples:
        >>> step = train_one_step(config_from_file('cankd_fcos.py', 'config'))
        >>> step.losses['distill.loss_cankd']
    """
    for key in ('model', 'optim_wrapper'):
        if not cfg.get(key):
            raise ValueError(f'the config has no {key!r}, and cannot train')
    scope = cfg.get('default_scope') or 'mmengine'
    with (
        quiet(),
        preserved_random_state(devices=[]),
        DefaultScope.overwrite_default_scope(scope),
        _told_progress(),
    ):
        set_random_seed(0)
        return _Trial(cfg, size, images).run(steps)


class _Trial:
    """One config whose model is built and trained once.

    Args:
        cfg: A whole config.
        size: Height and width of the images.
        images: Number of images.
    """

    def __init__(
        self, cfg: Config, size: tuple[int, int] | None, images: int
    ) -> None:
        self.cfg = cfg
        self.size = size
        self.images = images
        self.labels = loaded_labels(cfg)
        self.config = _resolved(cfg)
        self.distills = 'architecture' in self.config
        self.student = self.config.get('architecture', self.config)

    def run(self, steps: int) -> Step:
        """Build and train."""
        model = self._distilled() if self.distills else self._plain()
        model.train()
        wrapper = _optim_wrapper(model, self.cfg.optim_wrapper)
        for _ in range(steps):
            batch = self._batch(model)
            start = time.perf_counter()
            logged = model.train_step(batch, wrapper)
            seconds = time.perf_counter() - start
        losses = {k: float(v) for k, v in logged.items() if 'loss' in k}
        self._check(model, losses)
        return Step(losses, seconds)

    def _plain(self) -> BaseModel:
        return self._random(self.student, 'model')

    def _distilled(self) -> BaseModel:
        """Build the algorithm around two models that have their weights."""
        student = self._random(self.student, 'model.architecture')
        teacher = self._random(self.config.teacher, 'model.teacher')
        model = MODELS.build(
            {
                **for_one_process(self.config),
                'architecture': student,
                'teacher': teacher,
                'teacher_ckpt': None,
                'student_ckpt': None,
                'allow_random_teacher': True,
            }
        )
        model.init_weights()
        return model

    def _random(self, config: ConfigDict, key: str) -> BaseModel:
        model = random_model(config, key)
        if self.size and getattr(model.data_preprocessor, 'size', None):
            model.data_preprocessor.size = self.size
        if hasattr(model, 'extract_feat'):
            # Two images, so that no statistic is that of one value.
            calibrate(model, self._batch(model, 2))
        return model

    def _batch(self, model: BaseModel, images: int | None = None) -> dict:
        return random_batch(
            model,
            self.labels,
            label_classes(self.student),
            self.size or self._own_size(model),
            images or self.images,
        )

    def _own_size(self, model: BaseModel) -> tuple[int, int]:
        """Return the size of images that a model is made for."""
        padded = getattr(model.data_preprocessor, 'size', None)
        if is_segmentor(model) and padded:
            return tuple(padded)
        for _, part in dicts(self.student):
            # SSD's anchors belong to one size.
            if type_name(part) == 'SSDAnchorGenerator':
                return (part['input_size'],) * 2
        return _SIZE

    def _check(self, model: BaseModel, losses: dict[str, float]) -> None:
        bad = {k: v for k, v in losses.items() if v - v != 0}
        if bad:
            raise RuntimeError(f'losses are not finite: {bad}')
        if self.distills and not any(k.startswith(_PREFIX) for k in losses):
            raise RuntimeError(
                f"no loss '{_PREFIX}*' among {sorted(losses)}: the model is "
                'not distilled'
            )
        for name, parameter in model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise RuntimeError(
                    f'{name} is not finite after the optimizer step'
                )


def _resolved(cfg: Config) -> ConfigDict:
    """Return the model's config with the models that it names as files."""
    config = copy.deepcopy(cfg.model)
    if 'data_preprocessor' in cfg:
        # As a runner does.
        config.setdefault(
            'data_preprocessor', copy.deepcopy(cfg.data_preprocessor)
        )
    if 'architecture' not in config:
        return config
    for role in ('architecture', 'teacher'):
        model = config[role]
        if 'cfg_path' in model and 'type' not in model:
            model, scope = model_config_from_file(model, f'model.{role}')
            model.setdefault('_scope_', scope)
            config[role] = model
        if config.get('data_preprocessor'):
            model.setdefault(
                'data_preprocessor', copy.deepcopy(config.data_preprocessor)
            )
    return config


def _optim_wrapper(
    model: BaseModel, config: ConfigDict
) -> OptimWrapper | OptimWrapperDict:
    config = copy.deepcopy(config)
    if type_name(config) == 'AmpOptimWrapper':
        config['type'] = 'OptimWrapper'
        for key in _OF_AMP:
            config.pop(key, None)
    wrapper = build_optim_wrapper(model, config)
    # Accumulated gradients are used in the last iteration.
    wrapper.initialize_count_status(model, 0, 1)
    return wrapper


@contextmanager
def _told_progress() -> Iterator[None]:
    """Tell the models that training begins, and forget it afterwards."""
    hub = MessageHub.get_current_instance()
    before = dict(hub.runtime_info)
    for name, value in _PROGRESS.items():
        hub.update_info(name, value)
    try:
        yield
    finally:
        hub.runtime_info.clear()
        hub.runtime_info.update(before)
