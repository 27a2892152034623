"""Every hook that the installed libraries register."""

from mmengine.runner import Runner

from tests import tiny_models
from tests.tried import models
from tests.tried.runs import EPOCHS, Case


def _hook(runner: Runner, name: str):
    kind = name.rpartition('.')[2]
    return next(h for h in runner.hooks if type(h).__name__ == kind)


def _case(name, worked, *, config=None, arguments=None, **case) -> Case:
    hook = dict(type=name.removeprefix('mmengine.'), **(config or {}))
    return Case(name, dict(hooks=[hook], **(arguments or {})), worked, **case)


def _left(*endings: str):
    """For a hook that writes files."""
    return lambda runner: all(
        any(file.endswith(ending) for file in runner.files)
        for ending in endings
    )


def _visualizer(kind: str) -> dict:
    return dict(
        visualizer=dict(type=kind, vis_backends=[dict(type='LocalVisBackend')])
    )


_RATE = 0.01
_WARM_UP = [dict(type='LinearLR', start_factor=0.5, end=10)]
# Every run has these; each is seen by what it leaves.
DEFAULT_HOOKS = {
    'mmengine.CheckpointHook': _left(f'epoch_{EPOCHS}.pth'),
    'mmengine.DistSamplerSeedHook': lambda r: (
        r.train_dataloader.sampler.epoch == EPOCHS - 1
    ),
    'mmengine.IterTimerHook': lambda r: (
        'train/time' in r.message_hub.log_scalars
    ),
    'mmengine.LoggerHook': _left('.log'),
    'mmengine.ParamSchedulerHook': lambda r: (
        r.optim_wrapper.param_groups[0]['lr'] != _RATE
    ),
    'mmengine.RuntimeInfoHook': lambda r: (
        r.message_hub.get_info('max_epochs') == EPOCHS
    ),
}
_DRAWING = dict(draw=True, interval=1)


def _searched(runner: Runner) -> bool:
    from mmcv.cnn.rfsearch.operator import BaseConvRFSearchOp

    return any(
        isinstance(module, BaseConvRFSearchOp)
        for module in runner.model.modules()
    )


CASES = [
    *(
        Case(name, dict(hooks=[], param_scheduler=_WARM_UP), worked)
        for name, worked in DEFAULT_HOOKS.items()
    ),
    _case(
        'mmengine.EMAHook',
        lambda r: int(_hook(r, 'EMAHook').ema_model.steps) == EPOCHS,
        config=dict(momentum=0.1),
    ),
    _case(
        'mmengine.EarlyStoppingHook',
        lambda r: r.epoch == 2 and r.train_loop.stop_training,
        config=dict(monitor='score', rule='greater', patience=1),
    ),
    _case(
        'mmengine.EmptyCacheHook',
        None,
        config=dict(after_iter=True),
    ),
    _case(
        'mmengine.EstimateResourcesHook',
        None,
        config=dict(
            interval=1, estimator_cfg=dict(input_shape=(1, 3, 64, 64))
        ),
    ),
    _case('mmengine.NaiveVisualizationHook', None),
    _case(
        'mmengine.ProfilerHook',
        lambda r: bool(_hook(r, 'ProfilerHook').profiler.key_averages()),
    ),
    _case(
        'mmengine.RFSearchHook',
        _searched,
        config=dict(
            mode='search',
            config=dict(
                search=dict(
                    step=0,
                    max_step=11,
                    search_interval=1,
                    exp_rate=0.5,
                    init_alphas=0.01,
                    mmin=1,
                    mmax=24,
                    num_branches=2,
                    skip_layer=['stem', 'layer1'],
                )
            ),
        ),
        arguments=dict(
            before=lambda r: _hook(r, 'RFSearchHook').init_model(r.model)
        ),
    ),
    _case('mmengine.SyncBuffersHook', None),
    _case(
        'mmdet.CheckInvalidLossHook',
        None,
        config=dict(interval=1),
    ),
    _case(
        'mmdet.DetVisualizationHook',
        _left('val_img_1.png'),
        config=_DRAWING,
        arguments=_visualizer('mmdet.DetLocalVisualizer'),
    ),
    _case('mmdet.NumClassCheckHook', None),
    _case(
        'mmdet.PipelineSwitchHook',
        lambda r: r.train_dataloader.dataset.pipeline is not None,
        config=dict(switch_epoch=1, switch_pipeline=[]),
    ),
    _case(
        'mmdet.SetEpochInfoHook',
        lambda r: r.model.epoch == EPOCHS - 1,
        pair=models.epochs_pair,
    ),
    _case('mmdet.SyncNormHook', None),
    _case(
        'mmdet.TrainAugmentDetVisualizationHook',
        _left('train_img_1.png'),
        config=_DRAWING,
        arguments=_visualizer('mmdet.DetLocalVisualizer'),
    ),
    _case(
        'mmdet.YOLOXModeSwitchHook',
        lambda r: (
            r.model.bbox_head.use_l1
            and bool(r.train_dataloader.dataset.skipped)
        ),
        config=dict(num_last_epochs=1),
        pair=models.yolox_pair,
    ),
    _case(
        'mmseg.SegVisualizationHook',
        _left('val_image.png_1.png'),
        config=_DRAWING,
        arguments=_visualizer('mmseg.SegLocalVisualizer'),
        pair=tiny_models.fcn_pair,
        batch=tiny_models.segmentation_batch,
        classes=4,
    ),
    _case(
        'mmrazor.RazorVisualizationHook',
        _left('layer1_0_0.png'),
        config=dict(
            enabled=True,
            data_idx=[0],
            recorders=dict(
                layer1=dict(
                    type='mmrazor.ModuleOutputs', source='backbone.layer1'
                )
            ),
            mappings=dict(layer1=dict(recorder='layer1')),
            visualization_cfg=dict(channel_reduction='squeeze_mean'),
        ),
        arguments=dict(
            options=dict(
                test_dataloader=dict(
                    dataset=dict(
                        pipeline=[
                            dict(type='LoadImageFromFile'),
                            dict(type='mmdet.Resize', scale=(64, 64)),
                            dict(type='mmdet.PackDetInputs'),
                        ]
                    )
                )
            ),
            **_visualizer('mmdet.DetLocalVisualizer'),
        ),
    ),
]
_SEARCH = 'for the pruning and search algorithms of MMRazor'
EXCEPTIONS = {
    'mmengine.NPUProfilerHook': 'needs an NPU',
    'mmengine.PrepareTTAHook': 'wraps the model of a test',
    'mmengine.DMCPSubnetHook': _SEARCH,
    'mmengine.DumpSubnetHook': _SEARCH,
    'mmdet.GroundingVisualizationHook': 'draws the results of a test',
    'mmdet.MeanTeacherHook': 'for a model with a student and a teacher '
    'inside, which is refused as a student',
    'mmdet.MemoryProfilerHook': 'needs memory_profiler, which is no longer '
    'maintained; it reads the process, not the model',
    'mmdet.TrackVisualizationHook': 'for trackers',
    'mmrazor.PruningStructureHook': _SEARCH,
    'mmrazor.ResourceInfoHook': _SEARCH,
    'mmrazor.StopDistillHook': 'stops a distillation; a plain model has none',
}
