"""A recipe trains the same weights with a teacher at a weight of 0.

Stock recipes, with small models and the digits as data: as they are, and with
a teacher added. Five iterations, every bit of every weight.
"""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.commands import ROOT, launch
from tests.forked_tools import fork_tool

ITERATIONS, RANKS = 5, 2
DATA = {
    'mmdet': ROOT / 'configs/_base_/datasets/digits_detection.py',
    'mmseg': ROOT / 'configs/_base_/datasets/digits_segmentation.py',
}
# SyncBN needs GPUs where several processes train.
NORM = "norm_cfg=dict(type='BN', requires_grad=True)"
RETINANET = """
model = dict(
    backbone=dict(depth=18, base_channels=8, init_cfg=None),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(
        num_classes=10, in_channels=16, feat_channels=16, stacked_convs=1))
"""
RECIPES = {
    # Layers, neck and head of another width: the teacher is not used.
    'RetinaNet': (
        'mmdet',
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        RETINANET,
    ),
    'clipping at 0.1': (
        'mmdet',
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        RETINANET
        + """
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=0.1, norm_type=2))
""",
    ),
    # With its exponential moving average and its pipeline switch.
    'RTMDet': (
        'mmdet',
        'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
        f"""
model = dict(
    use_syncbn=False,
    backbone=dict(widen_factor=0.125, init_cfg=None, {NORM}),
    neck=dict(in_channels=[32, 64, 128], out_channels=16, {NORM}),
    bbox_head=dict(
        num_classes=10, in_channels=16, feat_channels=16, {NORM}))
custom_hooks = [
    dict(
        type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002,
        update_buffers=True, priority=49),
    dict(
        type='PipelineSwitchHook', switch_epoch=2,
        switch_pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs')]),
]
""",
    ),
    'SegFormer': (
        'mmseg',
        'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        f"""
model = dict(
    data_preprocessor=dict(size=(96, 96)),
    backbone=dict(
        embed_dims=8, num_layers=[1, 1, 1, 1], init_cfg=None),
    decode_head=dict(
        in_channels=[8, 16, 40, 64], channels=16, num_classes=11, {NORM}))
""",
    ),
    'layer decay': (
        'mmseg',
        'mmseg::beit/beit-base_upernet_8xb2-160k_ade20k-640x640.py',
        f"""
model = dict(
    data_preprocessor=dict(size=(96, 96)),
    pretrained=None,
    backbone=dict(
        img_size=(96, 96), embed_dims=16, num_layers=4, num_heads=2,
        out_indices=(0, 1, 2, 3), init_cfg=None),
    neck=dict(embed_dim=16, {NORM}),
    decode_head=dict(
        in_channels=[16, 16, 16, 16], channels=16, num_classes=11,
        pool_scales=(2, 3), {NORM}),
    auxiliary_head=dict(
        in_channels=16, channels=16, num_classes=11, {NORM}),
    test_cfg=dict(_delete_=True, mode='whole'))
optim_wrapper = dict(paramwise_cfg=dict(num_layers=4, layer_decay_rate=0.5))
""",
    ),
}
# A teacher of the student's own config; the loss has parameters.
TEACHER = """
_base_ = ['./plain.py']
model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=_base_.model,
    teacher=_base_.model,
    allow_random_teacher=True,
    distill_weight={weight},
    dry_run_size=(96, 96),
    distiller=dict(
        type='ConfigurableDistiller',
        student_recorders=dict(
            x=dict(type='ModuleOutputs', source='backbone')),
        teacher_recorders=dict(
            x=dict(type='ModuleOutputs', source='backbone')),
        distill_losses=dict(
            loss_x=dict(type='CanKDLoss', in_channels={channels})),
        loss_forward_mappings=dict(
            loss_x=dict(
                s_feature=dict(from_student=True, recorder='x'),
                t_feature=dict(from_student=False, recorder='x')))))
"""
# Of the first level that the backbone returns.
CHANNELS = {'SegFormer': 8, 'layer decay': 16, 'RTMDet': 32}


def recipe(folder: Path, name: str) -> Path:
    """Write a stock recipe with a small model and the digits."""
    scope, base, changes = RECIPES[name]
    epochs = f"""
train_cfg = dict(
    _delete_=True, type='EpochBasedTrainLoop', max_epochs={ITERATIONS})
val_cfg = test_cfg = val_dataloader = test_dataloader = None
val_evaluator = test_evaluator = None
randomness = dict(seed=0, deterministic=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3)]
default_hooks = dict(
    logger=dict(interval=1),
    checkpoint=dict(
        _delete_=True, type='CheckpointHook', interval={ITERATIONS}))
"""
    loader = Config.fromfile(DATA[scope]).train_dataloader.to_dict()
    loader['dataset']['indices'] = 4 * RANKS
    loader['batch_size'] = 4
    data = f'train_dataloader = dict(_delete_=True, **{loader!r})\n'
    path = folder / 'plain.py'
    path.write_text(f'_base_ = [{base!r}]\n{changes}{epochs}{data}')
    return path


def with_teacher(folder: Path, name: str, weight: float = 0.0) -> Path:
    """Write the recipe with a teacher."""
    path = folder / f'pair_{weight:g}.py'
    path.write_text(
        TEACHER.format(weight=weight, channels=CHANNELS.get(name, 8))
    )
    return path


def state_of(work_dir: Path) -> dict:
    """Return all that a run has saved of its model."""
    content = torch.load(
        work_dir / f'epoch_{ITERATIONS}.pth', weights_only=False
    )
    state = dict(content['state_dict'])
    for key, value in content.get('ema_state_dict', {}).items():
        state[f'ema.{key}'] = value
    return state


def assert_same(found: dict, expected: dict) -> None:
    """The student's part is equal, bit for bit."""
    assert expected
    for key, value in expected.items():
        assert torch.equal(found[key], value), key
    others = found.keys() - expected.keys()
    assert all('distiller.' in key for key in others)
    assert others


def losses_of(log: str) -> list[str]:
    """Return the total of each iteration, as it is logged."""
    return re.findall(r'(?:Epoch|Iter)\(train\).*? loss: (\S+)', log)


@pytest.mark.parametrize('name', RECIPES)
def test_recipe_trains_the_same_weights(name, tmp_path):
    plain, pair = recipe(tmp_path, name), with_teacher(tmp_path, name)
    logs = [
        fork_tool(
            'train.py', config, '--no-check', '--work-dir', tmp_path / run
        )
        for run, config in (('plain', plain), ('pair', pair))
    ]
    assert_same(state_of(tmp_path / 'pair'), state_of(tmp_path / 'plain'))
    losses = [losses_of(log) for log in logs]
    assert len(losses[0]) == ITERATIONS * RANKS
    assert losses[0] == losses[1]


def test_no_line_of_the_log_is_about_frozen_parameters(tmp_path):
    recipe(tmp_path, 'SegFormer')
    pair = with_teacher(tmp_path, 'SegFormer', weight=1.0)
    log = fork_tool('train.py', pair, '--work-dir', tmp_path / 'run')
    # The recipe's rules are logged for each parameter of the student.
    assert 'paramwise_options' in log and 'distill.loss_x' in log
    # The recipe has another one at its top level.
    assert "The student's own data_preprocessor is used" in log
    assert 'size ((96, 96), not (512, 512))' in log
    start = log[: log.index('(train)')]
    for word in ('requires_grad=False', 'is skipped', 'teacher.backbone'):
        assert word not in start, word


@pytest.mark.slow
@pytest.mark.parametrize('name', RECIPES)
def test_two_processes_train_the_same_weights(name, tmp_path):
    for run, config in (
        ('plain', recipe(tmp_path, name)),
        ('pair', with_teacher(tmp_path, name)),
    ):
        launch(
            'dist_train.sh',
            config,
            RANKS,
            '--no-check',
            '--work-dir',
            tmp_path / run,
        )
    assert_same(state_of(tmp_path / 'pair'), state_of(tmp_path / 'plain'))
