"""Three epochs in a real runner, plain and under a teacher."""

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import Runner

from tests import tiny_models

EPOCHS = 3


class Case(NamedTuple):
    """One component, the model it is for, and what shows that it worked.

    ``worked`` is given the runner; its ``files`` are the paths that the run
    left in its folder. None for what leaves nothing to see in one process.
    """

    name: str
    arguments: dict
    worked: Callable[[Runner], bool] | None
    pair: Callable = tiny_models.retinanet_pair
    batch: Callable = tiny_models.detection_batch
    classes: int = 3


class Batch(torch.utils.data.Dataset):
    """The samples of one batch, with an image file for those who draw."""

    pipeline = None
    skipped = ()

    def __init__(
        self, batch: Callable[[], dict], image: Path, classes: int
    ) -> None:
        batch = batch()
        self.metainfo = dict(
            classes=tuple(map(str, range(classes))),
            palette=[(0, 0, 0)] * classes,
        )
        self.image = str(image)
        self.samples = list(
            zip(batch['inputs'], batch['data_samples'], strict=True)
        )
        for _, sample in self.samples:
            sample.set_metainfo(dict(img_path=self.image))

    def __len__(self) -> int:
        return len(self.samples)

    def get_data_info(self, index: int) -> dict:
        return dict(img_path=self.image)

    def update_skip_type_keys(self, keys) -> None:
        self.skipped = keys

    def __getitem__(self, index: int) -> dict:
        inputs, sample = self.samples[index]
        item = dict(inputs=inputs, data_samples=sample)
        return self.pipeline(item) if self.pipeline else item


class Weights(BaseMetric):
    """Gives the hooks a score that does not improve."""

    def process(self, data_batch, data_samples) -> None:
        self.results.append(len(data_samples))

    def compute_metrics(self, results) -> dict:
        return dict(score=0.5)


def train(
    config,
    batch,
    classes=3,
    *,
    hooks=(),
    optim=None,
    options=None,
    before=None,
    **arguments,
) -> Runner:
    """Train three epochs of one iteration in a real runner.

    Args:
        config: Config of the model.
        batch: Makes the batch that is trained and validated.
        classes: How many classes the data set names.
        hooks: The ``custom_hooks``.
        optim: Keys of the ``optim_wrapper``.
        options: Keys of the whole config that the runner reads.
        before: Called with the runner before it trains.
        arguments: Further arguments of the runner.
    """
    import mmcv

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as work_dir:
        image = Path(work_dir, 'image.png')
        mmcv.imwrite(torch.zeros(64, 64, 3, dtype=torch.uint8).numpy(), image)

        def loader(shuffle):
            return dict(
                dataset=Batch(batch, image, classes),
                batch_size=2,
                sampler=dict(type='DefaultSampler', shuffle=shuffle),
                collate_fn=dict(type='pseudo_collate'),
            )

        runner = Runner(
            model=config,
            work_dir=work_dir,
            train_dataloader=loader(True),
            val_dataloader=loader(False),
            val_cfg=arguments.pop('val_cfg', {}),
            val_evaluator=Evaluator(Weights()),
            optim_wrapper=dict(
                optimizer=dict(
                    type='SGD', lr=0.01, momentum=0.9, weight_decay=0.01
                ),
                **(optim or {}),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
            custom_hooks=[ConfigDict(hook) for hook in hooks],
            randomness=dict(seed=0),
            cfg=Config(options or {}),
            experiment_name=Path(work_dir).name,
            default_scope='mmdet',
            **arguments,
        )
        if before:
            before(runner)
        runner.train()
        saved = torch.load(
            Path(work_dir, f'epoch_{runner.epoch}.pth'), weights_only=False
        )
        runner.files = [
            str(path.relative_to(work_dir))
            for path in Path(work_dir).rglob('*')
        ]
    runner.saved = _student_keys(saved['state_dict'])
    return runner


def _student_keys(state: dict) -> dict:
    return {k: v for k, v in state.items() if not k.startswith('distiller.')}


def differences(case: Case) -> list[str]:
    """Names of weights, trained or saved, that differ under a teacher."""
    runs = [
        train(
            config, case.batch, case.classes, **copy.deepcopy(case.arguments)
        )
        for config in (
            case.pair().architecture,
            case.pair(distill_weight=0.0),
        )
    ]
    for runner in runs:
        if case.worked and not case.worked(runner):
            raise AssertionError(f'{case.name} did nothing')
    plain, distilled = (
        {
            **_student_keys(r.model.state_dict()),
            **{f'saved {k}': v for k, v in r.saved.items()},
        }
        for r in runs
    )
    return [
        name
        for name in {**plain, **distilled}
        if name not in plain
        or name not in distilled
        or not torch.equal(plain[name], distilled[name])
    ]
