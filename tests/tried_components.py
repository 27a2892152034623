"""Hooks and optimizer constructors of the libraries, tried under a teacher.

``python -m tests.tried_components`` prints the table.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mmdet.registry
import mmengine.registry
import mmrazor.registry
import mmseg.registry
import torch
from mmdet.utils import register_all_modules as register_mmdet
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import Runner
from mmrazor.utils import register_all_modules as register_mmrazor
from mmseg.utils import register_all_modules as register_mmseg
from torch import nn

import cankd_mm  # noqa: F401, I001  (compatibility before MMRazor)
from tests import tiny_models

LIBRARIES = dict(
    mmengine=mmengine.registry,
    mmdet=mmdet.registry,
    mmseg=mmseg.registry,
    mmrazor=mmrazor.registry,
)


class Case(NamedTuple):
    """One component, the model it is for, and what shows that it worked."""

    config: dict
    pair: Callable = tiny_models.retinanet_pair
    batch: Callable = tiny_models.detection_batch
    worked: Callable[[Runner], bool] = lambda runner: True


class Batch(torch.utils.data.Dataset):
    """The samples of one batch."""

    metainfo = dict(classes=('a', 'b', 'c'), palette=[(0, 0, 0)] * 3)
    pipeline = None
    skipped = ()

    def __init__(self, batch: Callable[[], dict]) -> None:
        batch = batch()
        self.samples = list(
            zip(batch['inputs'], batch['data_samples'], strict=True)
        )

    def __len__(self) -> int:
        return len(self.samples)

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


def train(config, batch, hooks=(), optim=None, **arguments) -> Runner:
    """Train three epochs of one iteration in a real runner."""
    torch.manual_seed(0)

    def loader(shuffle):
        return dict(
            dataset=Batch(batch),
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=shuffle),
            collate_fn=dict(type='pseudo_collate'),
        )

    with tempfile.TemporaryDirectory() as work_dir:
        runner = Runner(
            model=config,
            work_dir=work_dir,
            train_dataloader=loader(True),
            val_dataloader=loader(False),
            val_cfg=dict(),
            val_evaluator=Evaluator(Weights()),
            optim_wrapper=dict(
                optimizer=dict(
                    type='SGD', lr=0.01, momentum=0.9, weight_decay=0.01
                ),
                **(optim or {}),
            ),
            train_cfg=dict(by_epoch=True, max_epochs=3),
            custom_hooks=list(hooks),
            randomness=dict(seed=0),
            cfg=Config(arguments.pop('options', {})),
            experiment_name=Path(work_dir).name,
            default_scope='mmdet',
            **arguments,
        )
        runner.train()
        saved = torch.load(
            Path(work_dir, 'epoch_3.pth'),
            weights_only=False,
        )
    runner.saved = _student_keys(saved['state_dict'])
    return runner


def _student_keys(state: dict) -> dict:
    return {k: v for k, v in state.items() if not k.startswith('distiller.')}


def differences(case: Case, hook: bool) -> list[str]:
    """Names of weights, trained or saved, that differ under a teacher."""
    given = (
        dict(hooks=[case.config.copy()]) if hook else dict(optim=case.config)
    )
    runs = [
        train(config, case.batch, **given)
        for config in (
            case.pair().architecture,
            case.pair(distill_weight=0.0),
        )
    ]
    for runner in runs:
        if not case.worked(runner):
            raise AssertionError(f'{case.config} did nothing')
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


def registered(kind: str) -> dict[str, str]:
    """``library.name`` of every component, with the module it is from."""
    for register in (register_mmdet, register_mmseg, register_mmrazor):
        register(init_default_scope=False)
    return {
        f'{library}.{name}': component.__module__
        for library, registry in LIBRARIES.items()
        for name, component in getattr(registry, kind).module_dict.items()
        if component.__module__.partition('.')[0] in (*LIBRARIES, 'mmcv')
    }


def _has(kind: str) -> Callable[[Runner], bool]:
    return lambda runner: any(type(h).__name__ == kind for h in runner.hooks)


def yolox_pair(**kwargs) -> dict:
    """CanKD between two small YOLOX."""
    student = dict(
        _scope_='mmdet',
        type='YOLOX',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor', pad_size_divisor=32
        ),
        backbone=dict(
            type='CSPDarknet', deepen_factor=0.33, widen_factor=0.125
        ),
        neck=dict(
            type='YOLOXPAFPN',
            in_channels=[32, 64, 128],
            out_channels=16,
            num_csp_blocks=1,
        ),
        bbox_head=dict(
            type='YOLOXHead', num_classes=3, in_channels=16, feat_channels=16
        ),
        train_cfg=dict(assigner=dict(type='SimOTAAssigner')),
        test_cfg=dict(score_thr=0.01, nms=dict(type='nms', iou_threshold=0.5)),
    )
    return tiny_models.distillation(student, student, **kwargs)


@mmdet.registry.MODELS.register_module(force=True)
class TinyConvNeXt(nn.Module):
    """Four convolutions under the names that layer-wise decay reads."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32, 64)) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.downsample_layers = nn.ModuleList(
            nn.Conv2d(i, o, 4 if i == 3 else 2, 4 if i == 3 else 2)
            for i, o in zip(before, widths, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(o, o, 3, padding=1)) for o in widths
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the features of the four stages."""
        features = []
        for down, stage in zip(
            self.downsample_layers, self.stages, strict=True
        ):
            x = stage(down(x))
            features.append(x)
        return tuple(features)


def convnext_pair(**kwargs) -> dict:
    """CanKD between two RetinaNets on :class:`TinyConvNeXt`."""
    student = tiny_models.retinanet()
    student.backbone = dict(type='TinyConvNeXt')
    return tiny_models.distillation(student, student, **kwargs)


def _layer_decay(name: str, decay_type: str) -> Case:
    rules = dict(decay_rate=0.7, decay_type=decay_type, num_layers=6)
    return Case(
        dict(constructor=name, paramwise_cfg=rules),
        pair=convnext_pair,
        worked=lambda runner: (
            len({g['lr'] for g in runner.optim_wrapper.param_groups}) > 2
        ),
    )


def _hook(name: str, worked=None, **kwargs) -> Case:
    kind = name.rpartition('.')[2]
    return Case(
        dict(type=name.removeprefix('mmengine.'), **kwargs),
        worked=worked or _has(kind),
    )


def _ema_ran(runner: Runner) -> bool:
    hook = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook')
    return int(hook.ema_model.steps) == 3


# Every run has these.
DEFAULT_HOOKS = [
    f'mmengine.{name}'
    for name in (
        'CheckpointHook',
        'DistSamplerSeedHook',
        'IterTimerHook',
        'LoggerHook',
        'ParamSchedulerHook',
        'RuntimeInfoHook',
    )
]
HOOKS = {
    name: _hook(name, **kwargs)
    for name, kwargs in {
        'mmengine.EMAHook': dict(momentum=0.1, worked=_ema_ran),
        'mmengine.EarlyStoppingHook': dict(
            monitor='score', rule='greater', patience=5
        ),
        'mmengine.EmptyCacheHook': dict(after_iter=True),
        'mmengine.SyncBuffersHook': {},
        'mmdet.CheckInvalidLossHook': dict(interval=1),
        'mmdet.NumClassCheckHook': {},
        'mmdet.PipelineSwitchHook': dict(
            switch_epoch=1,
            switch_pipeline=[],
            worked=lambda r: r.train_dataloader.dataset.pipeline is not None,
        ),
        'mmdet.SyncNormHook': {},
    }.items()
}
for _name in DEFAULT_HOOKS:
    HOOKS[_name] = Case(
        dict(type='EmptyCacheHook'), worked=_has(_name.rpartition('.')[2])
    )
HOOKS['mmdet.YOLOXModeSwitchHook'] = Case(
    dict(type='mmdet.YOLOXModeSwitchHook', num_last_epochs=1),
    pair=yolox_pair,
    worked=lambda r: (
        r.model.bbox_head.use_l1 and bool(r.train_dataloader.dataset.skipped)
    ),
)
_SEARCH = 'for the pruning and search algorithms of MMRazor'
NO_HOOKS = {
    'mmengine.NPUProfilerHook': 'needs an NPU',
    'mmdet.MeanTeacherHook': 'for a model with a student and a teacher '
    'inside, which is refused as a student',
    'mmdet.GroundingVisualizationHook': 'draws the results of a test',
    'mmdet.TrackVisualizationHook': 'for trackers',
    'mmengine.PrepareTTAHook': 'wraps the model of a test',
    'mmengine.DMCPSubnetHook': _SEARCH,
    'mmengine.DumpSubnetHook': _SEARCH,
    'mmrazor.PruningStructureHook': _SEARCH,
    'mmrazor.ResourceInfoHook': _SEARCH,
    'mmrazor.StopDistillHook': 'stops a distillation; a plain model has none',
}
NOT_TRIED = {
    f'{library}.{name}': 'not tried'
    for library, name in (
        ('mmengine', 'EstimateResourcesHook'),
        ('mmengine', 'NaiveVisualizationHook'),
        ('mmengine', 'ProfilerHook'),
        ('mmengine', 'RFSearchHook'),
        ('mmdet', 'DetVisualizationHook'),
        ('mmdet', 'MemoryProfilerHook'),
        ('mmdet', 'SetEpochInfoHook'),
        ('mmseg', 'SegVisualizationHook'),
        ('mmdet', 'TrainAugmentDetVisualizationHook'),
        ('mmrazor', 'RazorVisualizationHook'),
    )
}
_RULES = dict(
    norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1))
)
CONSTRUCTORS = {
    'mmengine.DefaultOptimWrapperConstructor': Case(
        dict(paramwise_cfg=_RULES, clip_grad=dict(max_norm=0.1))
    ),
    'mmseg.ForceDefaultOptimWrapperConstructor': Case(
        dict(
            constructor='mmseg.ForceDefaultOptimWrapperConstructor',
            paramwise_cfg=_RULES,
        )
    ),
}
NO_CONSTRUCTORS = {
    'mmrazor.SeparateOptimWrapperConstructor': 'makes an optimizer for each '
    'submodel, which no detector or segmentor trains with',
}
CONSTRUCTORS_NOT_TRIED = {
    'mmseg.LayerDecayOptimizerConstructor': 'not tried',
}
for _name, _type in (
    ('mmdet.LearningRateDecayOptimizerConstructor', 'stage_wise'),
    ('mmseg.LearningRateDecayOptimizerConstructor', 'stage_wise'),
):
    CONSTRUCTORS[_name] = _layer_decay(_name, _type)


def main() -> None:
    """Print the table."""
    rows = ['| library | component | result |', '|---|---|---|']
    for kind, cases, excepted in (
        ('HOOKS', HOOKS, {**NO_HOOKS, **NOT_TRIED}),
        (
            'OPTIM_WRAPPER_CONSTRUCTORS',
            CONSTRUCTORS,
            {**NO_CONSTRUCTORS, **CONSTRUCTORS_NOT_TRIED},
        ),
    ):
        for name in sorted(registered(kind)):
            library, _, component = name.partition('.')
            if name in cases:
                try:
                    found = differences(cases[name], kind == 'HOOKS')
                    result = f'differs: {found[:3]}' if found else 'equal'
                except Exception as error:
                    result = f'fails: {type(error).__name__}: {error}'[:300]
            else:
                result = excepted.get(name, 'NOT CLASSIFIED')
                if result not in ('not tried', 'NOT CLASSIFIED'):
                    result = f'not applicable: {result}'
            rows.append(f'| {library} | `{component}` | {result} |')
            print(rows[-1], file=sys.stderr, flush=True)
    print('\n'.join(rows))


if __name__ == '__main__':
    main()
