"""Local modules are found from autograd; one without a loss is refused."""

import pytest
import torch
from mmrazor.registry import MODELS

from tests import local_models, tiny_models
from tests.local_models import FAMILIES

RESNET = FAMILIES['ResNet']


def _build(config: dict):
    torch.manual_seed(0)
    return MODELS.build(config)


def _forget_loss(config: dict, *names: str) -> dict:
    for name in names:
        config.distiller.distill_losses.pop(name)
        config.distiller.loss_forward_mappings.pop(name)
    return config


@pytest.mark.parametrize('on', ['input', 'output'])
@pytest.mark.parametrize('family', FAMILIES.values(), ids=FAMILIES)
def test_parameters_and_losses_of_every_family_are_found(family, on):
    model = _build(local_models.distillation(family, on))
    *cut, last = model.local_modules
    for k, module in enumerate(cut):
        assert module.parameters == {
            name
            for name, _ in model.student.named_parameters()
            if family.module_of(name) == k
        }
        assert module.losses == module.early_losses == [f'loss_{k}']
        assert module.trained == module.parameters
    assert last.losses == ['loss_3'] and last.early_losses == []


def test_modules_are_numbered_as_the_forward_meets_them():
    config = local_models.distillation(RESNET)
    config.truncations = config.truncations[::-1]
    model = _build(config)
    assert [m.losses for m in model.local_modules] == [
        [f'loss_{k}'] for k in range(4)
    ]


@pytest.mark.parametrize('on', ['input', 'output'])
@pytest.mark.parametrize('family', FAMILIES.values(), ids=FAMILIES)
def test_module_without_a_loss_is_refused_by_name(family, on):
    config = _forget_loss(local_models.distillation(family, on), 'loss_1')
    module = config.truncations[1].module
    with pytest.raises(ValueError) as error:
        _build(config)
    assert f"model.truncations[1].module='{module}'" in str(error.value)
    assert 'backbone.' in str(error.value).split('parameters (')[1]


def test_a_loss_of_the_neck_is_no_loss_of_a_modules_own():
    config = _forget_loss(local_models.distillation(RESNET), 'loss_1')
    _add_loss(config, 'neck')
    with pytest.raises(ValueError, match=r'truncations\[1\]'):
        _build(config)


def _add_loss(config: dict, source: str, **record) -> None:
    for role in ('student', 'teacher'):
        config.distiller[f'{role}_recorders'][source] = dict(
            type='ModuleOutputs', source=source
        )
    config.distiller.distill_losses.loss_more = dict(
        type='mmrazor.CanKDLoss', in_channels=8
    )
    config.distiller.loss_forward_mappings.loss_more = dict(
        s_feature=dict(from_student=True, recorder=source, **record),
        t_feature=dict(from_student=False, recorder=source, **record),
    )


def test_a_loss_of_the_neck_is_opened_first_and_never_early():
    config = local_models.distillation(RESNET)
    _add_loss(config, 'neck')
    model = _build(config)
    assert model.local_modules[0].losses == ['loss_0', 'loss_more']
    assert model.local_modules[0].early_losses == ['loss_0']


def test_a_loss_of_the_neck_belongs_to_the_last_module_behind_output_cuts():
    config = local_models.distillation(RESNET, 'output')
    _add_loss(config, 'neck', data_idx=3)
    model = _build(config)
    assert model.local_modules[3].losses == ['loss_3', 'loss_more']


def test_one_loss_may_serve_all_modules():
    config = _forget_loss(
        local_models.distillation(RESNET),
        *(f'loss_{k}' for k in range(4)),
    )
    _add_loss(config, 'backbone')
    config.distiller.distill_losses.loss_more = dict(
        type='mmrazor.LAKDLoss',
        student_channels=RESNET.channels,
        teacher_channels=RESNET.channels,
    )
    first = _build(config).local_modules[0]
    assert first.losses == ['loss_more'] and first.early_losses == []
    config.distiller.distill_losses.loss_more.update(
        student_channels=RESNET.channels[:2],
        teacher_channels=RESNET.channels[:2],
    )
    config.truncations = config.truncations[:2]
    assert _build(config).local_modules[0].early_losses == ['loss_more']


def test_parameters_of_a_projection_are_trained_with_their_module():
    config = local_models.distillation(RESNET)
    wide = local_models.segmentor(RESNET)
    wide.backbone.base_channels = wide.backbone.stem_channels = 16
    wide.neck.in_channels = [16, 32, 64, 128]
    config.teacher = wide
    for k, channels in enumerate(RESNET.channels):
        config.distiller.distill_losses[f'loss_{k}'] = dict(
            type='mmrazor.LAKDLoss',
            student_channels=channels,
            teacher_channels=2 * channels,
        )
    module = _build(config).local_modules[1]
    projection = 'distiller.distill_losses.loss_1.projections.0'
    assert {f'{projection}.weight', f'{projection}.bias'} <= module.trained
    assert not any('loss_0' in name for name in module.trained)


def test_parameters_that_no_loss_reaches_are_pointed_out(logged):
    # The output of a Swin stage does not know its downsampling.
    config = local_models.distillation(FAMILIES['Swin'])
    for mapping in config.distiller.loss_forward_mappings.values():
        for record in mapping.values():
            record['data_idx'] = 2
    _build(config)
    warnings = [line for line in logged if 'no distill loss reaches' in line]
    assert len(warnings) == 3
    assert 'backbone.stages.0.downsample' in warnings[0]


def test_swin_may_be_cut_before_its_downsampling(logged):
    config = local_models.distillation(FAMILIES['Swin'])
    for mapping in config.distiller.loss_forward_mappings.values():
        for record in mapping.values():
            record['data_idx'] = 2
    for k, truncation in enumerate(config.truncations):
        truncation['module'] = f'backbone.stages.{k}.downsample'
    model = _build(config)
    assert not [line for line in logged if 'no distill loss' in line]
    assert any(
        'stages.0.downsample' in n for n in model.local_modules[1].parameters
    )


def test_cut_behind_frozen_stages_needs_no_loss(logged):
    config = _forget_loss(local_models.distillation(RESNET), 'loss_0')
    config.architecture.backbone.frozen_stages = 1
    model = _build(config)
    assert model.local_modules[0].parameters == set()
    assert any(
        "module='backbone.layer2'" in line and 'no trainable' in line
        for line in logged
    )


def test_module_that_never_runs_is_an_error():
    config = local_models.distillation(RESNET)
    config.architecture.auxiliary_head = dict(
        type='FCNHead',
        in_channels=32,
        in_index=2,
        channels=8,
        num_convs=1,
        num_classes=4,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    config.truncations[1].module = 'auxiliary_head.convs.0'
    with pytest.raises(ValueError, match='never called') as error:
        _build(config)
    assert 'model.truncations[1]' in str(error.value)


def test_loss_on_a_head_that_only_training_runs_belongs_to_the_last_module():
    config = local_models.distillation(RESNET)
    head = dict(
        type='FCNHead',
        in_channels=32,
        in_index=2,
        channels=8,
        num_convs=1,
        num_classes=4,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    config.architecture.auxiliary_head = head
    config.distiller.student_recorders.extra = dict(
        type='ModuleOutputs', source='auxiliary_head.convs.0'
    )
    config.distiller.teacher_recorders.extra = dict(
        type='ModuleOutputs', source='neck.fpn_convs.0'
    )
    config.distiller.distill_losses.loss_more = dict(type='mmrazor.L2Loss')
    config.distiller.loss_forward_mappings.loss_more = dict(
        s_feature=dict(from_student=True, recorder='extra'),
        t_feature=dict(from_student=False, recorder='extra'),
    )
    assert _build(config).local_modules[3].losses == ['loss_3', 'loss_more']


def test_checkpointed_blocks_hide_no_parameter():
    config = local_models.distillation(RESNET)
    config.architecture.backbone.with_cp = True
    model = _build(config)
    plain = _build(local_models.distillation(RESNET))
    for ours, theirs in zip(
        model.local_modules, plain.local_modules, strict=True
    ):
        assert ours.parameters == theirs.parameters


def test_gradients_that_a_student_has_are_left_as_they_were():
    student = MODELS.build(local_models.segmentor(RESNET))
    weight = student.backbone.conv1.weight
    weight.grad = torch.ones_like(weight)
    config = local_models.distillation(RESNET)
    config.architecture = student
    _build(config)
    assert weight.grad.eq(1).all()
    assert student.neck.lateral_convs[0].conv.weight.grad is None


def test_dry_run_with_gradients_leaves_no_traces():
    student = MODELS.build(local_models.segmentor(RESNET))
    before = {k: v.clone() for k, v in student.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    config = local_models.distillation(RESNET)
    config.architecture = student
    MODELS.build(config)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_detectors_are_cut_too():
    config = tiny_models.distillation(
        tiny_models.retinanet(),
        tiny_models.retinanet(),
        source='backbone.layer3',
        loss=dict(type='mmrazor.CanKDLoss', in_channels=32),
    )
    config.update(
        type='mmrazor.LocalModuleDistill',
        truncations=[dict(module='backbone.layer4', on='input')],
    )
    first, last = _build(config).local_modules
    assert 'backbone.layer3.0.conv1.weight' in first.parameters
    assert first.early_losses == ['loss_distill'] and last.losses == []
