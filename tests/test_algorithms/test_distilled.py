"""A distilled student is the student, to all that is not distillation."""

import copy
import pickle

import pytest
import torch
from mmdet.models.detectors import RetinaNet
from mmengine.model import BaseModel, ExponentialMovingAverage
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.algorithms import FrozenTeacherDistill
from tests import tiny_models


def built(**kwargs):
    torch.manual_seed(0)
    model = MODELS.build(tiny_models.retinanet_pair(**kwargs))
    model.init_weights()
    return model.train()


def test_class_is_the_students_extended():
    model = built()
    assert isinstance(model, RetinaNet)
    assert isinstance(model, FrozenTeacherDistill)
    assert type(model).__name__ == 'DistilledRetinaNet'
    assert model.student is model.architecture is model
    assert type(MODELS.build(tiny_models.retinanet())) is RetinaNet


def test_built_student_is_extended_itself():
    student = MODELS.build(tiny_models.retinanet())
    weight = student.backbone.conv1.weight
    config = tiny_models.retinanet_pair()
    model = MODELS.build({**config, 'architecture': student})
    assert model is student
    assert model.backbone.conv1.weight is weight


def test_names_are_the_students_with_the_distiller_last():
    model, plain = built(), MODELS.build(tiny_models.retinanet())
    for kind in ('modules', 'parameters', 'buffers'):
        expected = [name for name, _ in getattr(plain, f'named_{kind}')()]
        found = [name for name, _ in getattr(model, f'named_{kind}')()]
        assert found[: len(expected)] == expected
        assert found[len(expected) :]
        assert all(
            name.startswith('distiller') for name in found[len(expected) :]
        )
    with model.plain():
        assert model.state_dict().keys() == plain.state_dict().keys()


def test_teacher_is_in_nothing_that_is_the_students():
    model = built()
    teacher = set(map(id, model.teacher.parameters()))
    assert not teacher & set(map(id, model.parameters()))
    assert model.teacher not in set(model.modules())
    seen = []
    model.apply(seen.append)
    assert model.teacher not in seen


def test_teacher_follows_to_number_formats_and_devices():
    model = built()
    assert model.double() is model
    assert next(model.teacher.parameters()).dtype == torch.float64
    model.to('meta')
    assert next(model.teacher.parameters()).is_meta


def test_copies_share_the_teacher():
    model = built()
    twin = copy.deepcopy(model)
    assert twin.teacher is model.teacher
    assert type(twin) is type(model)
    assert twin.backbone is not model.backbone
    assert twin.distiller is not model.distiller
    average = ExponentialMovingAverage(model)
    assert average.module.teacher is model.teacher
    assert len(average.state_dict()) == len(model.state_dict()) + 1


def _distill_loss(model) -> torch.Tensor:
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    dtype = next(model.parameters()).dtype
    data['inputs'] = data['inputs'].to(dtype)
    return model(**data, mode='loss')['distill.loss_distill']


def test_copy_in_another_format_leaves_the_teacher_of_the_original():
    model = built()
    expected = _distill_loss(model)
    twin = copy.deepcopy(model).half().double()
    assert next(twin.teacher.parameters()).dtype == torch.float64
    found = _distill_loss(twin)
    assert found.dtype == torch.float64
    assert not torch.equal(found, expected.double())
    torch.testing.assert_close(found, expected.double(), rtol=0.05, atol=0)
    assert torch.equal(_distill_loss(model), expected)


def test_original_in_another_format_leaves_the_teacher_of_its_copy():
    model = built()
    twin = copy.deepcopy(model)
    expected = _distill_loss(model)
    assert _distill_loss(model.double()).dtype == torch.float64
    assert torch.equal(_distill_loss(twin), expected)


def test_teacher_keeps_its_weights_where_the_students_are_forgotten():
    model = built()
    before = [p.clone() for p in model.teacher.parameters()]
    model.to_empty(device='cpu')
    for found, expected in zip(
        model.teacher.parameters(), before, strict=True
    ):
        assert torch.equal(found, expected)


def test_copy_that_stays_shares_the_teacher():
    twin = copy.deepcopy(model := built()).to('cpu').float()
    assert twin.teacher is model.teacher


def test_model_can_be_pickled():
    model = built()
    twin = pickle.loads(pickle.dumps(model))
    assert type(twin) is type(model)
    assert twin.teacher is not model.teacher
    assert torch.equal(_distill_loss(twin), _distill_loss(model))


def test_predictions_are_the_students():
    model = built().eval()
    plain = MODELS.build(tiny_models.retinanet()).eval()
    plain.load_state_dict(tiny_models.student_state(model))
    batch = tiny_models.detection_batch()
    for found, expected in zip(
        model.val_step(copy.deepcopy(batch)),
        plain.val_step(batch),
        strict=True,
    ):
        assert torch.equal(
            found.pred_instances.scores, expected.pred_instances.scores
        )


def test_norms_of_the_losses_stay_as_the_config_says():
    model = built()
    losses = model.distiller.distill_losses['loss_distill']
    norms = [level.out_norm for level in losses.levels]
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert isinstance(model.backbone.bn1, nn.SyncBatchNorm)
    assert isinstance(losses.levels[0].out_norm, nn.SyncBatchNorm)
    model.train()
    assert [level.out_norm for level in losses.levels] == norms
    assert isinstance(model.backbone.bn1, nn.SyncBatchNorm)


class Inline(BaseModel):
    """Computes its loss in ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        # As the stem of the teacher.
        self.part = nn.Conv2d(3, 16, 7, stride=2, padding=3)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        out = self.part(inputs)
        return dict(loss=out.mean()) if mode == 'loss' else out


class Occupied(Inline):
    """Has a teacher of its own."""

    teacher = None

    def loss(self, inputs, data_samples=None):
        return dict(loss=inputs.mean())


def test_student_with_a_teacher_of_its_own_is_refused():
    config = tiny_models.retinanet_pair()
    with pytest.raises(ValueError, match='has teacher of its own'):
        MODELS.build({**config, 'architecture': Occupied()})


def test_student_that_computes_its_loss_in_forward_is_distilled():
    student = Inline()
    config = tiny_models.retinanet_pair(loss=dict(type='mmrazor.L2Loss'))
    config.distiller.student_recorders.features.source = 'part'
    config.distiller.teacher_recorders.features.source = 'backbone.conv1'
    model = MODELS.build({**config, 'architecture': student}).train()
    data = model.data_preprocessor(tiny_models.detection_batch(), True)
    inputs = torch.stack(data['inputs']).float()
    losses = model(inputs, None, mode='loss')
    assert losses.keys() == {'loss', 'distill.loss_distill'}


def test_a_distilled_student_is_not_distilled_again():
    config = tiny_models.retinanet_pair()
    with pytest.raises(ValueError, match='distilled already'):
        MODELS.build({**config, 'architecture': built()})


def test_plain_checkpoint_lacks_nothing():
    plain = MODELS.build(tiny_models.retinanet())
    model = built()
    before = {k: v.clone() for k, v in model.distiller.state_dict().items()}
    assert model.load_state_dict(plain.state_dict()).missing_keys == []
    assert torch.equal(
        model.backbone.conv1.weight, plain.backbone.conv1.weight
    )
    for name, value in model.distiller.state_dict().items():
        assert torch.equal(value, before[name]), name


class _Convolution(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Conv2d(3, 16, 7, stride=2, padding=3)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.part(inputs)


class _LossIsAModule(_Convolution):
    def __init__(self) -> None:
        super().__init__()
        self.loss = nn.MSELoss()


class _LossIsAHelper(_Convolution):
    def loss(self, logits, labels):
        return (logits - labels).square().mean()


class _LossIsAFunction(_Convolution):
    def __init__(self) -> None:
        super().__init__()
        self.loss = torch.mean


class _ForwardOfATutorial(_Convolution):
    def forward(self, imgs, labels, mode='tensor'):
        return self.part(imgs)


@pytest.mark.parametrize(
    ('student', 'name'),
    [
        (_LossIsAModule, 'loss'),
        (_LossIsAHelper, 'loss'),
        (_LossIsAFunction, 'loss'),
        (_ForwardOfATutorial, 'forward'),
    ],
)
def test_students_that_are_called_otherwise_are_named(student, name):
    with pytest.raises(
        ValueError, match=f"'{name}' of a {student.__name__} is no method"
    ):
        MODELS.build(
            {**tiny_models.retinanet_pair(), 'architecture': student()}
        )


def test_loss_takes_the_students_own_names():
    model = built()
    batch = model.data_preprocessor(tiny_models.detection_batch(), True)
    expected = model(**batch, mode='loss')
    found = model.loss(
        batch_data_samples=batch['data_samples'], batch_inputs=batch['inputs']
    )
    assert found.keys() == expected.keys()
    assert torch.equal(
        found['distill.loss_distill'], expected['distill.loss_distill']
    )


def test_losses_past_the_distilled_ones_are_named():
    model = built()
    model.loss = lambda *args: RetinaNet.loss(model, *args)  # a profiler's
    batch = model.data_preprocessor(tiny_models.detection_batch(), True)
    with pytest.raises(RuntimeError, match='nothing is distilled'):
        model(**batch, mode='loss')


def test_a_given_teacher_is_kept_as_it_is():
    teacher = MODELS.build(tiny_models.retinanet(16))
    state = copy.deepcopy(teacher.state_dict())
    config = tiny_models.retinanet_pair(allow_random_teacher=False)
    for _ in range(2):
        model = MODELS.build({**config, 'teacher': teacher})
        weight = model.teacher.bbox_head.retina_cls.weight
        assert torch.equal(weight, teacher.bbox_head.retina_cls.weight)
        assert teacher.training
        assert teacher.state_dict().keys() == state.keys()
        for name, value in teacher.state_dict().items():
            assert torch.equal(value, state[name]), name


def test_a_model_is_not_its_own_teacher():
    model = MODELS.build(tiny_models.retinanet())
    config = tiny_models.retinanet_pair()
    with pytest.raises(ValueError, match='model.teacher is the very model'):
        MODELS.build({**config, 'architecture': model, 'teacher': model})


class _ChangesWhenLoaded(nn.Conv2d):
    """As the convolutions of DetectoRS, whose statistics are set then."""

    def __init__(self) -> None:
        super().__init__(64, 64, 1)
        self.register_buffer('loads', torch.zeros(()))

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self.loads += 1


def test_initializing_loads_nothing_into_the_student():
    student = MODELS.build(tiny_models.retinanet())
    student.backbone.layer4.append(layer := _ChangesWhenLoaded())
    MODELS.build(
        {**tiny_models.retinanet_pair(), 'architecture': student}
    ).init_weights()
    assert layer.loads == 0


def test_a_student_of_a_failed_distillation_is_named():
    student = MODELS.build(tiny_models.retinanet())
    config = {**tiny_models.retinanet_pair(), 'architecture': student}
    with pytest.raises(ValueError, match='teacher_ckpt'):
        MODELS.build({**config, 'allow_random_teacher': False})
    with pytest.raises(ValueError, match='that could not be built'):
        MODELS.build(config)


def test_mode_can_be_set_without_the_distiller():
    model = built()
    with model.plain():
        assert not model.eval().backbone.training


def test_preprocessor_of_the_student_is_the_one_that_runs(logged):
    other = dict(tiny_models.DETECTION_PREPROCESSOR, pad_size_divisor=64)
    model = built(data_preprocessor=other)
    assert model.data_preprocessor.pad_size_divisor == 32
    line = next(line for line in logged if 'own data_prep' in line)
    assert 'pad_size_divisor (32, not 64)' in line


def test_student_without_a_preprocessor_gets_the_given_one():
    config = tiny_models.retinanet_pair(
        data_preprocessor=dict(tiny_models.DETECTION_PREPROCESSOR)
    )
    del config.architecture['data_preprocessor']
    model = MODELS.build(config)
    assert model.data_preprocessor.pad_size_divisor == 32
    assert next(iter(dict(model.named_children()))) == 'data_preprocessor'
