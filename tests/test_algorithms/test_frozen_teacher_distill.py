"""FrozenTeacherDistill keeps its promises on real models."""

import copy
import hashlib
import random

import numpy as np
import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmrazor.registry import MODELS
from torch import nn

from tests import tiny_models


def _faster_rcnn(**kwargs) -> dict:
    return tiny_models.distillation(
        tiny_models.faster_rcnn(), tiny_models.faster_rcnn(16), **kwargs
    )


PAIRS = {
    'retinanet': (
        tiny_models.retinanet_pair,
        tiny_models.detection_batch,
        'bbox_head',
    ),
    'faster_rcnn': (
        _faster_rcnn,
        tiny_models.detection_batch,
        'rpn_head roi_head',
    ),
    'fcn': (
        tiny_models.fcn_pair,
        tiny_models.segmentation_batch,
        'decode_head',
    ),
}
every_pair = pytest.mark.parametrize('pair', PAIRS)


def _build(config: dict, seed: int = 0):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def _losses(model, batch) -> dict:
    data = model.data_preprocessor(batch, True)
    return model(**data, mode='loss')


def _backward(model, batch) -> None:
    total, _ = model.parse_losses(_losses(model, batch))
    total.backward()


def _hash(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if name.startswith('distiller.'):
            continue
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _random_states() -> tuple:
    return (
        torch.get_rng_state().numpy().tobytes(),
        np.random.get_state()[1].tobytes(),
        random.getstate(),
    )


@every_pair
def test_teacher_is_the_same_before_and_after_training(pair):
    config, batch, _ = PAIRS[pair]
    model = _build(config())
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    teacher, student = _hash(model.teacher), _hash(model.student)
    for _ in range(3):
        model.train_step(batch(), optimizer)
    assert _hash(model.teacher) == teacher
    assert _hash(model.student) != student
    assert not any(p.requires_grad for p in model.teacher.parameters())


@every_pair
def test_zero_distill_weight_gives_the_gradients_of_plain_training(pair):
    config, batch, _ = PAIRS[pair]
    # Each goes on with the random stream that its building left: heads
    # sample and drop out from it.
    distilled = _build(config(distill_weight=0.0))
    _backward(distilled, batch())
    plain = _build(config()['architecture'])
    _backward(plain, batch())
    gradients = dict(distilled.student.named_parameters())
    for name, parameter in plain.named_parameters():
        assert torch.equal(parameter, gradients[name]), name
        if parameter.grad is not None:
            assert torch.equal(parameter.grad, gradients[name].grad), name
    assert _hash(plain) == _hash(distilled.student)


@every_pair
def test_teacher_runs_no_head_and_sees_no_labels(pair):
    config, batch, heads = PAIRS[pair]
    model = _build(config())
    called = []
    for name, module in model.teacher.named_modules():
        if name.split('.')[0] in heads.split():
            module.register_forward_hook(
                lambda *_, name=name: called.append(name)
            )
    samples = []
    model.teacher.register_forward_pre_hook(
        lambda _, args: samples.extend(args[1])
    )
    _losses(model, batch())
    assert called == []
    assert samples and not any(
        key.startswith('gt') for sample in samples for key, _ in sample.items()
    )


def test_teacher_stops_behind_the_last_recorded_module():
    config = tiny_models.retinanet_pair()
    config['distiller']['teacher_recorders'] = dict(
        features=dict(type='ModuleOutputs', source='backbone.layer2')
    )
    config['distiller']['student_recorders'] = dict(
        features=dict(type='ModuleOutputs', source='backbone.layer2')
    )
    config['distiller']['distill_losses'] = dict(
        loss_distill=dict(type='mmrazor.CanKDLoss', in_channels=16)
    )
    config['teacher'] = tiny_models.retinanet()
    model = _build(config)
    called = []
    for name in ('backbone.layer2', 'backbone.layer3', 'neck'):
        model.teacher.get_submodule(name).register_forward_hook(
            lambda *_, name=name: called.append(name)
        )
    _losses(model, tiny_models.detection_batch())
    assert called == ['backbone.layer2']


@every_pair
def test_teacher_draws_no_random_numbers(pair):
    config, batch, _ = PAIRS[pair]
    model = _build(config())
    data = model.data_preprocessor(batch(), True)
    before = _random_states()
    model._run_teacher(data['inputs'], data['data_samples'])
    assert _random_states() == before


def test_building_takes_what_the_student_alone_takes_from_the_random_stream():
    _build(tiny_models.fcn_pair()['architecture'])
    plain = _random_states()
    config = tiny_models.fcn_pair()
    # Even where the distiller initialises its layers with random numbers.
    config.distiller.init_cfg = dict(type='Normal', layer='Conv2d', std=0.01)
    _build(config)
    assert _random_states() == plain


def test_training_mode_never_reaches_the_teacher():
    model = _build(tiny_models.fcn_pair())
    assert model.train() is model
    assert model.eval() is model
    assert model.train(True) is model
    assert model.student.training
    assert not any(m.training for m in model.teacher.modules())
    dropout = model.teacher.decode_head.dropout
    assert isinstance(dropout, nn.Dropout2d) and not dropout.training


def test_records_are_dropped_so_that_a_trained_model_can_be_copied():
    model = _build(tiny_models.retinanet_pair())
    _backward(model, tiny_models.detection_batch())
    for manager in (
        model.distiller.student_recorders,
        model.distiller.teacher_recorders,
    ):
        for recorder in manager.recorders.values():
            assert recorder.data_buffer == []
    twin = copy.deepcopy(model)
    model.zero_grad()
    twin.zero_grad()
    _backward(twin, tiny_models.detection_batch())
    assert all(p.grad is None for p in model.student.parameters())
    _backward(model, tiny_models.detection_batch())
    for ours, theirs in zip(
        model.student.parameters(), twin.student.parameters(), strict=True
    ):
        assert torch.equal(ours.grad, theirs.grad)


def test_distill_loss_reaches_the_student():
    model = _build(tiny_models.retinanet_pair())
    losses = _losses(model, tiny_models.detection_batch())
    assert {'loss_cls', 'distill.loss_distill'} <= losses.keys()
    losses['distill.loss_distill'].backward()
    assert model.student.backbone.conv1.weight.grad.abs().sum() > 0


def test_distill_weight_scales_the_distill_loss_alone():
    batch = tiny_models.detection_batch()
    once = _losses(_build(tiny_models.retinanet_pair()), copy.deepcopy(batch))
    twice = _losses(
        _build(tiny_models.retinanet_pair(distill_weight=2.0)), batch
    )
    assert torch.equal(
        2 * once['distill.loss_distill'], twice['distill.loss_distill']
    )
    assert torch.equal(once['loss_cls'][0], twice['loss_cls'][0])


def test_stopped_distillation_leaves_no_gradient_and_no_unused_parameter():
    model = _build(tiny_models.retinanet_pair())
    model.distillation_stopped = True
    _backward(model, tiny_models.detection_batch())
    for parameter in model.distiller.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()


# ------------------------------------------------------------- the dry run


def test_dry_run_leaves_no_traces():
    torch.manual_seed(0)
    student = MODELS.build(tiny_models.fcn())
    before = {k: v.clone() for k, v in student.state_dict().items()}
    states = _random_states()
    model = MODELS.build(
        tiny_models.distillation(
            student,
            tiny_models.fcn(),
            source='backbone.layer4',
            loss=tiny_models.segmentation_loss(),
        )
    )
    assert _random_states() == states
    assert all(m.training for m in model.student.modules())
    for name, value in tiny_models.student_state(model).items():
        assert torch.equal(value, before[name]), name


def test_image_that_a_model_cannot_take_is_an_error_that_names_the_key():
    config = tiny_models.retinanet_pair(dry_run_size=(65, 64))
    config.teacher.backbone.depth = 50
    config.teacher.neck.in_channels = [64, 128, 256, 513]
    with pytest.raises(ValueError, match='model.dry_run_size') as error:
        MODELS.build(config)
    assert 'the teacher failed on a random image of 65x64' in str(error.value)


@MODELS.register_module(force=True)
class NeedsLabels(nn.Module):
    """A head whose forward in mode 'tensor' fails at every size."""

    def __init__(self, **kwargs) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 1)

    def forward(self, features: tuple) -> None:
        raise RuntimeError('no labels')


def test_teacher_that_fails_at_every_size_is_recorded_before_it_fails():
    config = tiny_models.retinanet_pair()
    config.teacher.bbox_head = dict(type='mmrazor.NeedsLabels')
    recorders = config.distiller.teacher_recorders.to_dict()
    config.distiller.teacher_recorders.features.source = 'bbox_head.conv'
    with pytest.raises(ValueError, match='no labels') as error:
        MODELS.build(config)
    assert (
        'let model.distiller.teacher_recorders name modules that it calls '
        'before the one that failed'
    ) in str(error.value)
    assert 'or None' not in str(error.value)
    config.distiller.teacher_recorders = recorders
    model = MODELS.build(config)
    batch = model.data_preprocessor(tiny_models.detection_batch(), True)
    assert 'distill.loss_distill' in model(**batch, mode='loss')


@pytest.mark.parametrize(
    'normalisation',
    [dict(mean=[1.0], std=[1.0]), dict(mean=None, std=None)],
    ids=['with a mean', 'without'],
)
def test_image_has_the_channels_that_the_student_takes(normalisation):
    config = tiny_models.retinanet_pair()
    for model in (config.architecture, config.teacher):
        model.backbone.in_channels = 1
        model.data_preprocessor.update(normalisation, bgr_to_rgb=False)
    assert MODELS.build(config).student.backbone.conv1.in_channels == 1


def test_other_channels_are_an_error_that_names_modules_and_shapes():
    config = tiny_models.distillation(
        tiny_models.retinanet(), tiny_models.retinanet(16, channels=32)
    )
    with pytest.raises(ValueError) as error:
        MODELS.build(config)
    message = str(error.value)
    assert 'loss_distill' in message
    assert "student 'neck'" in message and "teacher 'neck'" in message
    assert '(1, 16, 8, 8)' in message and '(1, 32, 8, 8)' in message
    assert 'ProjectionConnector' in message


def test_other_channels_fit_behind_a_projection_found_by_the_dry_run():
    config = tiny_models.distillation(
        tiny_models.retinanet(),
        tiny_models.retinanet(16, channels=32),
        loss=dict(type='mmrazor.CanKDLoss', in_channels=32, num_levels=2),
    )
    distiller = config['distiller']
    distiller['connectors'] = dict(
        project=dict(
            type='mmrazor.ProjectionConnector', out_channels=32, num_levels=2
        )
    )
    mapping = distiller['loss_forward_mappings']['loss_distill']
    mapping['s_feature']['connector'] = 'project'
    model = _build(config)
    weights = [
        p for n, p in model.named_parameters() if 'connectors.project' in n
    ]
    assert (32, 16, 1, 1) in [tuple(p.shape) for p in weights]
    _backward(model, tiny_models.detection_batch())
    assert all(p.grad is not None for p in weights)


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_misspelt_source_is_an_error_that_names_the_closest(role):
    config = tiny_models.retinanet_pair()
    recorders = dict(features=dict(type='ModuleOutputs', source='nek'))
    config['distiller'][f'{role}_recorders'] = recorders
    with pytest.raises(ValueError, match='neck') as error:
        MODELS.build(config)
    assert f"{role}_recorders.features.source='nek'" in str(error.value)


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_module_that_is_never_called_is_an_error(role):
    config = tiny_models.retinanet_pair()
    recorders = dict(
        features=dict(type='ModuleOutputs', source='neck.fpn_convs')
    )
    config['distiller'][f'{role}_recorders'] = recorders
    with pytest.raises(ValueError, match='never') as error:
        MODELS.build(config)
    assert f'{role}_recorders.features' in str(error.value)


def test_repeated_calls_of_a_shared_head_are_all_recorded():
    # retina_cls runs once a level; the fourth record is on P6.
    config = tiny_models.retinanet_pair()
    recorders = dict(
        features=dict(type='ModuleOutputs', source='bbox_head.retina_cls')
    )
    distiller = config['distiller']
    distiller['student_recorders'] = recorders
    distiller['teacher_recorders'] = recorders
    distiller['distill_losses'] = dict(
        loss_distill=dict(type='mmrazor.L2Loss')
    )
    record = dict(recorder='features', record_idx=3)
    distiller['loss_forward_mappings'] = dict(
        loss_distill=dict(
            s_feature=dict(from_student=True, **record),
            t_feature=dict(from_student=False, **record),
        )
    )
    model = _build(config)
    calls = []
    model.teacher.bbox_head.retina_cls.register_forward_hook(
        lambda *_: calls.append(1)
    )
    losses = _losses(model, tiny_models.detection_batch())
    assert losses['distill.loss_distill'].isfinite()
    assert len(calls) == 4


# ------------------------------------------------- formats of the teacher


def test_norms_that_the_runner_replaces_are_recorded_all_the_same():
    segmentor = tiny_models.fcn()
    segmentor.decode_head.norm_cfg.type = 'SyncBN'
    config = tiny_models.distillation(
        segmentor, segmentor, source='decode_head.convs.0.bn'
    )
    config.distiller.distill_losses.loss_distill.num_levels = 1
    model = _build(config)
    batch = tiny_models.segmentation_batch()
    expected = _losses(copy.deepcopy(model), batch)['distill.loss_distill']
    # As MMEngine's runner does without distributed training, after building.
    norm = model.student.decode_head.convs[0].bn
    model = revert_sync_batchnorm(model)
    assert model.student.decode_head.convs[0].bn is not norm
    for _ in range(2):
        loss = _losses(model, batch)['distill.loss_distill']
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_half_precision_teacher_gives_float32_features(dtype):
    exact = _build(tiny_models.retinanet_pair())
    half = _build(
        tiny_models.retinanet_pair(
            teacher_dtype=dtype, teacher_channels_last=True
        )
    )
    assert {p.dtype for p in half.teacher.parameters()} == {
        getattr(torch, dtype)
    }
    features = []
    for model in (exact, half):
        data = model.data_preprocessor(tiny_models.detection_batch(), True)
        model._run_teacher(data['inputs'], data['data_samples'])
        recorder = model.distiller.teacher_recorders.get_recorder('features')
        features.append(recorder.get_record_data())
    for ours, theirs in zip(*features, strict=True):
        assert theirs.dtype == torch.float32
        scale = ours.abs().max()
        torch.testing.assert_close(theirs, ours, rtol=0, atol=0.05 * scale)
    _backward(half, tiny_models.detection_batch())


@pytest.mark.parametrize(
    'key, value, error',
    [
        ('distill_weight', -1, ValueError),
        ('distill_weight', '1', TypeError),
        ('teacher_channels_last', 'yes', TypeError),
        ('dry_run_size', 64, ValueError),
        ('dry_run_size', (64, 0), ValueError),
        ('distiller', None, TypeError),
        ('inherit', 'neck', TypeError),
    ],
)
def test_arguments_out_of_range_are_named(key, value, error):
    with pytest.raises(error, match=f'model.{key}'):
        _build(tiny_models.retinanet_pair(**{key: value}))


@pytest.mark.parametrize('source', ['decode_head.convs.0', 'auxiliary_head'])
def test_a_connector_that_no_dry_run_reaches_is_named(source):
    auxiliary = source == 'auxiliary_head'
    config = tiny_models.fcn_pair(dry_run_size=(64, 64) if auxiliary else None)
    config.architecture.auxiliary_head = dict(
        config.architecture.decode_head, in_index=2, in_channels=32
    )
    distiller = config.distiller
    recorder = dict(type='ModuleOutputs', source=source)
    distiller.student_recorders.features = recorder
    distiller.connectors = dict(
        project=dict(type='mmrazor.ProjectionConnector', out_channels=64)
    )
    arguments = distiller.loss_forward_mappings.loss_distill
    arguments.s_feature.connector = 'project'
    with pytest.raises(ValueError, match='connectors.project.*in_channels'):
        _build(config)


def test_unknown_teacher_dtype_is_named():
    with pytest.raises(ValueError, match="teacher_dtype='int8'"):
        MODELS.build(tiny_models.retinanet_pair(teacher_dtype='int8'))


# ---------------------------------------------------------------- weights


def _save(model: nn.Module, path, **extra) -> str:
    torch.save(dict(state_dict=model.state_dict(), **extra), path)
    return str(path)


def test_teacher_without_weights_is_an_error():
    with pytest.raises(ValueError, match='allow_random_teacher=True'):
        MODELS.build(tiny_models.retinanet_pair(allow_random_teacher=False))


def test_teacher_checkpoint_is_loaded(tmp_path):
    teacher = _build(tiny_models.retinanet(16), seed=3)
    path = _save(teacher, tmp_path / 'teacher.pth')
    model = _build(
        tiny_models.retinanet_pair(teacher_ckpt=path, fold_teacher_norms=False)
    )
    assert _hash(model.teacher) == _hash(teacher)


def test_wrong_checkpoint_is_an_error_that_lists_keys(tmp_path):
    path = _save(_build(tiny_models.fcn()), tmp_path / 'wrong.pth')
    with pytest.raises(ValueError) as error:
        MODELS.build(tiny_models.retinanet_pair(teacher_ckpt=path))
    message = str(error.value)
    assert 'model.teacher_ckpt' in message and 'wrong.pth' in message
    assert 'missing neck.' in message or 'mis-shaped backbone.' in message
    assert len(message.split('do not fit:\n')[1].splitlines()) == 10


def test_missing_checkpoint_is_an_error_that_names_it():
    with pytest.raises(FileNotFoundError, match='model.teacher_ckpt'):
        MODELS.build(
            tiny_models.retinanet_pair(teacher_ckpt='nowhere/teacher.pth')
        )


def test_student_checkpoint_of_another_class_count_is_reported(
    tmp_path, logged
):
    source = _build(tiny_models.retinanet(num_classes=7), seed=5)
    path = _save(source, tmp_path / 'student.pth')
    model = _build(tiny_models.retinanet_pair(student_ckpt=path))
    assert torch.equal(
        model.student.backbone.conv1.weight, source.backbone.conv1.weight
    )
    assert model.student.bbox_head.retina_cls.out_channels == 3
    # The head starts from its own initialisation: focal loss's prior.
    assert model.student.bbox_head.retina_cls.bias.max() < -4
    report = next(line for line in logged if 'student_ckpt' in line)
    assert 'mis-shaped bbox_head.retina_cls.weight' in report


def test_student_checkpoint_of_another_model_is_an_error(tmp_path):
    path = _save(_build(tiny_models.retinanet(16)), tmp_path / 'teacher.pth')
    with pytest.raises(ValueError, match='student_ckpt.*another model'):
        _build(tiny_models.retinanet_pair(student_ckpt=path))


def test_distillation_checkpoint_serves_as_teacher(tmp_path):
    distilled = _build(
        tiny_models.distillation(
            tiny_models.retinanet(16), tiny_models.retinanet(16)
        )
    )
    path = _save(distilled, tmp_path / 'distilled.pth')
    model = _build(
        tiny_models.retinanet_pair(teacher_ckpt=path, fold_teacher_norms=False)
    )
    assert _hash(model.teacher) == _hash(distilled.student)


def test_checkpoint_holds_no_teacher_and_loads_strictly(tmp_path):
    model = _build(tiny_models.retinanet_pair())
    state = model.state_dict()
    assert not any('teacher' in key for key in state)
    assert tiny_models.student_state(model).keys() == (
        MODELS.build(tiny_models.retinanet()).state_dict().keys()
    )
    assert any(key.startswith('distiller.distill_losses') for key in state)
    twin = _build(tiny_models.retinanet_pair(), seed=9)
    teacher = _hash(twin.teacher)
    twin.load_state_dict(state, strict=True)
    assert _hash(twin.student) == _hash(model.student)
    assert _hash(twin.teacher) == teacher


def _as_submodule(state: dict) -> dict:
    """The keys of MMRazor's algorithms."""
    return {
        f'{"" if "distiller." in name else "architecture."}{name}': value
        for name, value in state.items()
    }


def test_teacher_of_a_foreign_checkpoint_is_ignored():
    model = _build(tiny_models.retinanet_pair())
    teacher = _hash(model.teacher)
    state = _as_submodule(model.state_dict())
    for name, value in model.teacher.state_dict().items():
        state[f'teacher.{name}'] = value + 1
    model.load_state_dict(state, strict=True)
    assert _hash(model.teacher) == teacher


def test_plain_student_is_loaded_as_it_is():
    model = _build(tiny_models.retinanet_pair())
    plain = _build(tiny_models.retinanet(), seed=7)
    found = model.load_state_dict(plain.state_dict(), strict=False)
    assert _hash(model) == _hash(plain)
    assert not found.unexpected_keys
    assert all(key.startswith('distiller.') for key in found.missing_keys)


def test_checkpoint_of_a_student_that_was_a_submodule_is_loaded():
    model = _build(tiny_models.retinanet_pair())
    source = _build(tiny_models.retinanet_pair(), seed=7)
    model.load_state_dict(_as_submodule(source.state_dict()), strict=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


# ------------------------------------------------- how models are given


def test_models_come_from_files_packages_dicts_and_as_they_are(tmp_path):
    file = tmp_path / 'teacher.py'
    file.write_text(
        "default_scope = 'mmdet'\n"
        f'model = {tiny_models.retinanet(16).to_dict()!r}\n'
    )
    by_file = MODELS.build(
        tiny_models.distillation(
            tiny_models.retinanet(), dict(cfg_path=str(file))
        )
    )
    built = MODELS.build(
        tiny_models.distillation(
            MODELS.build(tiny_models.retinanet()),
            MODELS.build(tiny_models.retinanet(16)),
        )
    )
    assert type(by_file.teacher) is type(built.teacher)
    by_package = MODELS.build(
        tiny_models.distillation(
            tiny_models.retinanet(channels=256),
            dict(
                cfg_path='mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
                backbone=dict(depth=18, init_cfg=None),
                neck=dict(in_channels=[64, 128, 256, 512]),
            ),
            loss=dict(type='mmrazor.CanKDLoss', in_channels=256, num_levels=2),
        )
    )
    assert len(by_package.teacher.backbone.layer3) == 2


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmrazor'])
def test_distiller_is_found_whatever_the_default_scope(scope):
    config = tiny_models.retinanet_pair()
    config.distiller.type = 'ConfigurableDistiller'
    config.distiller.distill_losses.loss_distill.type = 'CanKDLoss'
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(config)
    assert len(model.distiller.student_recorders.recorders) == 1


def test_unknown_config_file_is_an_error_that_names_the_key():
    config = tiny_models.retinanet_pair()
    config['teacher'] = dict(cfg_path='configs/nowhere.py')
    with pytest.raises(FileNotFoundError, match='model.teacher.cfg_path'):
        MODELS.build(config)


def test_model_whose_train_returns_nothing():
    from mmdet.models import RetinaNet
    from mmdet.registry import MODELS as DETECTORS

    @DETECTORS.register_module()
    class Silent(RetinaNet):
        def train(self, mode=True):
            super().train(mode)

    config = tiny_models.retinanet_pair()
    config.architecture.type = config.teacher.type = 'Silent'
    try:
        model = MODELS.build(config)
    finally:
        del DETECTORS._module_dict['Silent']
    assert not model.teacher.training
    assert model.train() is model
