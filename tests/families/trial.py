"""One family: its plain model, then the same model under a teacher."""

import copy
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from torch import nn

from cankd_mm.pairing.random_batch import (
    label_classes,
    loaded_labels,
    random_batch,
)
from cankd_mm.pairing.random_model import (
    for_one_process,
    settle,
    with_own_teacher,
    without_weights,
)
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.model_config import build_model
from tests.families import calibration, distillation, faults, small_models
from tests.families.catalog import Family
from tests.families.small_models import LARGE, SIZES, SMALL

STAGES = ('build', 'loss', 'prediction')
_FRAMES = 6


def attempt(family: Family, save: Callable[[dict], None]) -> None:
    """Try a family.

    Args:
        family: What is tried.
        save: Is given the record of the family, again after every stage.
    """
    record = dict(
        family=family.name,
        config=family.path,
        recorder='',
        size=SMALL,
        narrowed=False,
        calibrated=False,
        smaller_fails=[],
        config_error='',
        plain={},
        distilled={},
        seconds={},
        tracebacks={},
    )
    save(record)
    Trial(family, record, save).run()
    save(record)


class Trial:
    """The stages of one family, in their order.

    Args:
        family: What is tried.
        record: Where the outcomes go.
        save: Is given the record after every stage.
    """

    def __init__(
        self, family: Family, record: dict, save: Callable[[dict], None]
    ) -> None:
        self.family = family
        self.record = record
        self.save = save
        self.recorded: distillation.Recorded | None = None

    def run(self) -> None:
        """Try everything; a failure ends what depends on it."""
        with self._stage(None, 'config'):
            config = config_from_file(self.family.path, 'cfg_path')
            models, self.scope = _models(config)
            self.labels = loaded_labels(config)
        if self.record['config_error']:
            return
        DefaultScope.get_instance('families', scope_name=self.scope)
        self._plain(models)
        if self.recorded is not None:
            self._distilled()

    def _plain(self, models: list[ConfigDict]) -> None:
        """Try the small model; larger images and the whole one if it fails."""
        large = SIZES.get(self.family.name, LARGE)
        attempts = [(models[0], SMALL), (models[0], large)]
        attempts += [(model, large) for model in models[1:]]
        for config, size in attempts:
            for part in ('plain', 'seconds', 'tracebacks'):
                self.record[part].clear()
            is_narrowed = config is models[0] and len(models) > 1
            self.record.update(size=size, narrowed=is_narrowed)
            self.config = small_models.for_images_of(config, size)
            self._all_stages('plain')
            stage, error = faults.first_failure(self.record['plain'])
            if not stage or faults.missing_package(error):
                break
            self.record['smaller_fails'].append(f'{size} pixels: {error}')

    def _distilled(self) -> None:
        self._all_stages('distilled')

    def _all_stages(self, role: str) -> None:
        model = None
        with self._stage(role, 'build'):
            set_random_seed(0)
            model = getattr(self, f'_built_{role}')()
            model.init_weights()
            settle(model)
        if model is None or self.record[role]['build'] != 'ok':
            return
        with self._stage(role, 'loss'):
            self._loss(model, role)
        with self._stage(role, 'prediction'):
            self._prediction(model, role)

    def _built_plain(self) -> nn.Module:
        # Some models add to the config that they are built from.
        config = copy.deepcopy(self.config)
        config['_scope_'] = self.scope
        model = build_model(config, 'model')
        self.record['recorder'] = distillation.source(model, self.family.name)
        return model

    def _built_distilled(self) -> nn.Module:
        with tempfile.TemporaryDirectory() as folder:
            weights = None
            if self.record['calibrated']:
                weights = str(Path(folder, 'calibrated.pth'))
                model = self._built_plain()
                model.init_weights()
                settle(model)
                calibration.save_calibrated(model, self._batch(model), weights)
            config = distillation.distilled(
                self.config,
                self.scope,
                self.record['recorder'],
                self.recorded,
                weights,
                max(self.record['size'], LARGE),
            )
            return build_model(config, 'model')

    def _loss(self, model: nn.Module, role: str) -> None:
        _tell_progress()
        model.train()
        name = self.record['recorder']
        with distillation.recording(model, name) as found:
            try:
                data = model.data_preprocessor(self._batch(model), True)
                losses = model(**data, mode='loss')
            finally:
                if role == 'plain' and found:
                    self.recorded = found[0]
        if role == 'distilled' and 'distill.loss_cankd' not in losses:
            raise AssertionError(f'no distill loss among {list(losses)}')
        total, _ = model.parse_losses(losses)
        _require_finite('loss', total)
        total.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if not gradients:
            raise AssertionError('no parameter has a gradient')
        for gradient in gradients:
            _require_finite('gradient', gradient)

    @torch.no_grad()
    def _prediction(self, model: nn.Module, role: str) -> None:
        model.eval()
        # One image, as the libraries evaluate; some models take no more.
        batch = {k: v[:1] for k, v in self._batch(model).items()}
        with distillation.recording(model, self.record['recorder']) as found:
            results = model.test_step(batch)
        if not len(results):
            raise AssertionError('no prediction')
        if role == 'plain' and found:
            self.record['calibrated'] = (
                found[0].largest > calibration.LARGEST
                or self.family.name in calibration.UNINITIALIZED
            )

    def _batch(self, model: nn.Module) -> dict:
        size = (self.record['size'],) * 2
        classes = label_classes(self.config)
        return random_batch(model, self.labels, classes, size)

    @contextmanager
    def _stage(self, role: str | None, stage: str):
        """Record whether what is done here succeeds, and how long it takes."""
        self.record['running'] = f'{role} {stage}' if role else stage
        self.save(self.record)
        start, error = time.perf_counter(), ''
        try:
            yield
        except Exception as raised:
            error = faults.described(raised)
            self.record['tracebacks'][self.record['running']] = (
                traceback.format_exc(limit=-_FRAMES)
            )
        if role:
            self.record[role][stage] = error or 'ok'
        else:
            self.record['config_error'] = error
        took = round(time.perf_counter() - start, 1)
        self.record['seconds'][self.record['running']] = took
        self.record['running'] = ''
        self.save(self.record)


def _models(config: Config) -> tuple[list[ConfigDict], str]:
    """The models to try of a whole config, small ones first."""
    model = with_own_teacher(config.model)
    if 'data_preprocessor' in config:
        model.setdefault('data_preprocessor', config.data_preprocessor)
    model = for_one_process(without_weights(model))
    narrow = small_models.narrowed(model)
    models = [model] if narrow == model else [narrow, model]
    return models, config.get('default_scope', 'mmdet')


def _tell_progress() -> None:
    """What a runner tells the models that change while they train."""
    hub = MessageHub.get_current_instance()
    for name, value in dict(epoch=0, iter=0, max_epochs=12).items():
        hub.update_info(name, value)
    hub.update_info('max_iters', 1000)


def _require_finite(kind: str, value: torch.Tensor) -> None:
    if not torch.isfinite(value).all():
        raise AssertionError(f'a {kind} is not finite')
