"""What CanKD's configs promise beyond what every config does."""

import copy

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.hub import get_config
from mmengine.runner import Runner

from tests.commands import ROOT
from tests.test_configs import zoo
from tests.test_configs.test_digits import tiny

CONFIGS = zoo.configs('cankd')
INHERITING = [path for path in CONFIGS if 'inherit' in path.stem]
# Segmentors train for thousands of iterations, detectors for epochs.
SEGMENTORS = [path for path in CONFIGS if '0k_' in path.stem]
DETECTORS = [path for path in CONFIGS if path not in SEGMENTORS]
FCOS = [path for path in DETECTORS if '_fcos-r50_' in path.stem]
# Published are runs on COCO, without RTMDet: where the learning rate drops,
# and the norm that gradients are clipped at.
PUBLISHED = [
    path
    for path in DETECTORS
    if path.stem.endswith('_coco') and 'rtmdet' not in path.stem
]
DROPS = {'1x': [8, 11], '2x': [16, 22]}
DIGITS = zoo.CONFIGS / 'digits' / 'cankd_retinanet.py'
# Module of a backbone's last stage, and its channels.
LAST_STAGES = dict(
    r101=('backbone.layer4', 2048),
    r18=('backbone.layer4', 512),
    mobilenetv2=('backbone.layer7', 320),
    b2=('backbone', 512),
    b0=('backbone', 256),
)


@pytest.mark.parametrize('path', INHERITING, ids=zoo.name)
def test_inheriting_student_starts_with_the_teachers_modules(path):
    model = zoo.build(path)
    modules = zoo.read(path).model.inherit
    if not isinstance(modules, dict):
        modules = {module: module for module in modules}
    # The necks of two Swin Transformers have other input channels.
    necks = [module for module in modules if module.startswith('neck')]
    assert bool(necks) == ('dino-swin' not in path.stem)
    for module, source in modules.items():
        ours = model.student.get_submodule(module).state_dict()
        theirs = model.teacher.get_submodule(source).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_pyramids_that_start_apart_are_shifted_alike_in_loss_and_inheritance():
    (path,) = (path for path in INHERITING if 'mask-rcnn-swin' in path.stem)
    model = zoo.read(path).model
    shifts = [
        mapping.t_feature.data_idx - mapping.s_feature.data_idx
        for mapping in model.distiller.loss_forward_mappings.values()
    ]
    shifts += [
        int(theirs.split('.')[-1]) - int(ours.split('.')[-1])
        for ours, theirs in model.inherit.items()
    ]
    # Levels of the teacher below the student's first.
    shift = zoo.student_config(path).neck.start_level
    assert 'start_level' not in zoo.teacher_config(path).neck
    assert set(shifts) == {shift}


@pytest.mark.parametrize('path', PUBLISHED, ids=zoo.name)
def test_schedule_is_the_published_one(path):
    cfg = zoo.read(path)
    drops, max_norm = DROPS[path.stem.split('_')[-2]], 35
    if 'dino' in path.stem:
        drops, max_norm = [11], 0.1
    assert cfg.param_scheduler[-1].milestones == drops
    assert cfg.optim_wrapper.clip_grad.max_norm == max_norm


@pytest.mark.parametrize('path', FCOS, ids=zoo.name)
def test_fcos_student_has_the_head_of_its_teacher(path):
    student, teacher = zoo.student_config(path), zoo.teacher_config(path)
    assert student.bbox_head == teacher.bbox_head
    assert student.test_cfg == teacher.test_cfg


def test_mean_of_weights_of_rtmdet_leaves_the_teacher_alone(tmp_path):
    (rtmdet,) = (path for path in CONFIGS if 'rtmdet' in path.stem)
    (mean,) = (
        hook
        for hook in zoo.read(rtmdet).custom_hooks
        if hook.type == 'EMAHook'
    )
    cfg = tiny(DIGITS, tmp_path / 'digits', tmp_path)
    cfg.train_dataloader.batch_size = 1
    cfg.custom_hooks = [mean]
    runner = Runner.from_cfg(cfg)
    teacher = copy.deepcopy(runner.model.teacher.state_dict())
    runner.train()
    after = runner.model.teacher.state_dict()
    assert all(torch.equal(teacher[key], after[key]) for key in teacher)

    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    trained, means = checkpoint['ema_state_dict'], checkpoint['state_dict']
    assert not [key for key in (*trained, *means) if 'teacher.' in key]
    student = torch.load(tmp_path / 'epoch_1_student.pth', weights_only=True)
    moved = 0
    for key, value in student['state_dict'].items():
        assert torch.equal(value, means[key])
        moved += not torch.equal(value, trained[f'module.{key}'])
    assert moved

    cfg = tiny(DIGITS, tmp_path / 'digits', tmp_path)
    cfg.experiment_name = f'{tmp_path.name}_resumed'
    cfg.train_cfg.max_epochs = 2
    cfg.custom_hooks = [mean]
    cfg.resume = True
    resumed = Runner.from_cfg(cfg)
    resumed.train()
    (hook,) = (h for h in resumed.hooks if isinstance(h, EMAHook))
    assert hook.ema_model.steps > trained['steps'] > 1


@pytest.mark.parametrize('path', SEGMENTORS, ids=zoo.name)
def test_mu_is_10_from_pspnet_to_deeplabv3_and_5_otherwise(path):
    loss = zoo.read(path).model.distiller.distill_losses.loss_cankd
    crossed = path.stem.startswith('cankd_pspnet-r101_deeplabv3-r18')
    assert loss.loss_weight == (10 if crossed else 5)


@pytest.mark.parametrize('path', SEGMENTORS, ids=zoo.name)
def test_last_stage_is_brought_to_the_teachers_by_a_learnable_1x1(path):
    _, teacher, student, _, _ = path.stem.split('_')
    s_source, s_channels = LAST_STAGES[student.split('-')[1]]
    t_source, t_channels = LAST_STAGES[teacher.split('-')[1]]
    distiller = zoo.read(path).model.distiller
    (s_recorder,) = distiller.student_recorders.values()
    (t_recorder,) = distiller.teacher_recorders.values()
    assert (s_recorder.source, t_recorder.source) == (s_source, t_source)

    (connector,) = zoo.build(path).distiller.connectors.values()
    (conv,) = connector.convs
    assert conv.weight.shape == (t_channels, s_channels, 1, 1)
    assert conv.weight.requires_grad and conv.bias.requires_grad
    # Neither a norm nor an activation.
    feature = torch.randn(2, s_channels, 8, 8)
    assert torch.equal(connector(feature), conv(feature))


@pytest.mark.parametrize(
    'student, theirs',
    [
        ('pspnet-r18', 'pspnet/pspnet_r18-d8'),
        ('deeplabv3-r18', 'deeplabv3/deeplabv3_r18-d8'),
        ('deeplabv3-mobilenetv2', 'mobilenet_v2/mobilenet-v2-d8_deeplabv3'),
    ],
)
def test_cityscapes_students_train_as_mmsegmentations(student, theirs):
    theirs = get_config(
        f'mmseg::{theirs}_4xb2-80k_cityscapes-512x1024.py'
    ).to_dict()
    ours = zoo.read(ROOT / f'configs/baselines/{student}_80k_cityscapes.py')
    ours = ours.to_dict()
    for part in zoo.dicts(ours):
        part.pop('_scope_', None)
    for key in theirs:
        assert ours[key] == theirs[key], key
