"""What calibration measures of a distillation, and what it leaves alone."""

import math
import tempfile
from dataclasses import replace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import set_random_seed
from mmengine.structures import BaseDataElement
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.pairing import calibration
from cankd_mm.pairing.calibration import (
    Calibration,
    CalibrationRequest,
    MeasuredLoss,
    measure,
)
from cankd_mm.pairing.calibration_report import report_dict, report_lines
from cankd_mm.pairing.measured_steps import MeasuredSteps
from cankd_mm.pairing.weight_proposal import propose_weights, two_digits
from tests.commands import ROOT

DIGITS = ROOT / 'configs' / 'digits'
FEW_IMAGES = {
    'train_dataloader.dataset.indices': 8,
    'train_dataloader.batch_size': 4,
}


class HalfSquares(nn.Module):
    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, s_feature, t_feature):
        squares = (s_feature - t_feature.detach()).square()
        return self.loss_weight * squares.sum() / 2


class Toy(BaseModel):
    """A feature ``p x``; the task loss is ``q`` times the sum of it."""

    def __init__(self, p: float, q: float, changes: bool = False) -> None:
        super().__init__()
        self.feature = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        self.head = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        nn.init.constant_(self.feature.weight, p)
        nn.init.constant_(self.head.weight, q)
        self.changes = changes
        self.reaches = True

    def _forward(self, inputs):
        out = self.feature(inputs)
        if self.changes:
            out += 1
        return self.head(out if self.reaches else out.detach())

    def loss(self, inputs, data_samples):
        out = self._forward(inputs)
        return dict(loss_task=out.sum(), accuracy=100 * out.sum())

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        return self._forward(inputs)


def distilled(student: nn.Module, **kwargs) -> nn.Module:
    recorder = dict(a=dict(type='ModuleOutputs', source='feature'))
    weights = kwargs.pop('weights', dict(loss_a=1.0))
    mapping = dict(
        s_feature=dict(from_student=True, recorder='a'),
        t_feature=dict(from_student=False, recorder='a'),
    )
    model = MODELS.build(
        dict(
            type='FrozenTeacherDistill',
            architecture=student,
            teacher=Toy(-0.5, 1.0),
            distiller=dict(
                type='ConfigurableDistiller',
                student_recorders=recorder,
                teacher_recorders=recorder,
                distill_losses={
                    name: dict(type=HalfSquares, loss_weight=weight)
                    for name, weight in weights.items()
                },
                loss_forward_mappings=dict.fromkeys(weights, mapping),
            ),
            dry_run_size=kwargs.pop('dry_run_size', (4, 4)),
            **kwargs,
        )
    )
    return model.double().train()


@pytest.fixture
def images():
    return torch.randn(2, 3, 4, 4, dtype=torch.float64)


def run(model, images) -> dict:
    sample = BaseDataElement(metainfo=dict(img_shape=(4, 4)))
    return model(images, [sample] * len(images), mode='loss')


def steps_of(model, images, count: int = 1) -> list:
    measured = MeasuredSteps(model)
    with measured.attached():
        for _ in range(count):
            run(model, images)
    return measured.steps


def closed_form(images, p=0.75, q=-1.25, weight=1.0) -> float:
    """Norms of ``weight (p - p_teacher) x`` and of ``q`` for each element."""
    norm = math.sqrt(sum(x.item() ** 2 for x in images.flatten()))
    numerator = weight * abs(p + 0.5) * norm
    return numerator / (abs(q) * math.sqrt(images.numel()))


@pytest.mark.parametrize('dry_run_size', [(4, 4), None], ids=str)
@pytest.mark.parametrize('changes', [False, True])
def test_step_is_measured_where_the_student_goes_on(
    images, changes, dry_run_size
):
    """Also of copies, which are made without a dry run or where changed."""
    model = distilled(Toy(0.75, -1.25, changes), dry_run_size=dry_run_size)
    (step,) = steps_of(model, images)
    expected = closed_form(images)
    assert step.norms['loss_a'].ratio == pytest.approx(expected, rel=1e-13)


def test_values_and_total_are_those_that_train(images):
    model = distilled(Toy(0.75, -1.25), distill_weight=0.5)
    losses = run(model, images)
    (step,) = steps_of(model, images)
    expected = 0.5 * 1.25**2 * images.square().sum().item() / 2
    assert step.values['loss_a'] == pytest.approx(expected, rel=1e-13)
    total = losses['loss_task'] + losses['distill.loss_a']
    assert step.total == pytest.approx(total.item(), rel=1e-14)


def test_distill_weight_counts(images):
    model = distilled(Toy(0.75, -1.25), distill_weight=3.0)
    (step,) = steps_of(model, images)
    expected = closed_form(images, weight=3.0)
    assert step.norms['loss_a'].ratio == pytest.approx(expected, rel=1e-13)


def test_losses_that_share_a_recorder(images):
    weights = dict(loss_a=1.0, loss_b=4.0)
    model = distilled(Toy(0.75, -1.25), weights=weights)
    (step,) = steps_of(model, images)
    assert step.norms.keys() == weights.keys()
    for name, weight in weights.items():
        expected = closed_form(images, weight=weight)
        assert step.norms[name].ratio == pytest.approx(expected, rel=1e-13)


def test_feature_that_the_task_loss_does_not_reach(images):
    student = Toy(0.75, -1.25)
    student.reaches = False
    (step,) = steps_of(distilled(student), images)
    assert step.norms['loss_a'].ratio == math.inf
    assert step.norms['loss_a'].distill > 0


def test_frozen_feature_is_the_error_of_training(images):
    student = Toy(0.75, -1.25)
    student.feature.weight.requires_grad_(False)
    with pytest.raises(RuntimeError, match='frozen_stages'):
        steps_of(distilled(student), images)


def test_every_step_is_measured_until_detached(images):
    model = distilled(Toy(0.75, -1.25))
    measured = MeasuredSteps(model)
    with measured.attached():
        run(model, images)
        run(model, images)
    run(model, images)
    assert len(measured.steps) == 2
    assert not {'loss', '_distill_losses'} & vars(model).keys()


def test_stopped_distillation_is_not_measured(images):
    model = distilled(Toy(0.75, -1.25))
    model.distillation_stopped = True
    assert steps_of(model, images) == []


@pytest.mark.parametrize(
    'name', ['cankd_retinanet', 'tat_segmentor', 'lakd_retinanet']
)
def test_gradients_of_a_step_are_the_same_bits(name, monkeypatch, tmp_path):
    monkeypatch.setenv('LOCAL_RANK', '0')
    request = CalibrationRequest(
        str(DIGITS / f'{name}.py'), cfg_options=FEW_IMAGES, check=False
    )
    cfg = calibration._read(request, str(tmp_path))
    runner = calibration._runner(cfg, request)
    model = runner.model.train()
    model.init_weights()
    data = next(iter(runner.build_dataloader(cfg.train_dataloader)))
    batch = model.data_preprocessor(data, True)

    def gradients() -> dict[str, torch.Tensor]:
        set_random_seed(0)  # a head has dropout
        model.zero_grad(set_to_none=True)
        model.parse_losses(model(**batch, mode='loss'))[0].backward()
        return {n: p.grad for n, p in model.named_parameters()}

    plain = gradients()
    measured = MeasuredSteps(model)
    with measured.attached():
        with_measuring = gradients()
    (step,) = measured.steps
    assert all(0 < n.ratio < math.inf for n in step.norms.values())
    assert plain.keys() == with_measuring.keys()
    for key, gradient in plain.items():
        other = with_measuring[key]
        assert (gradient is None) == (other is None), key
        assert gradient is None or torch.equal(gradient, other), key


# ----------------------------------------------------------------- whole runs


@pytest.fixture
def forbidding_hook():
    """The config of a hook that no iteration but those wanted may reach."""

    @HOOKS.register_module()
    class _ForbiddingHook(Hook):
        seen: list = []

        def before_val(self, runner):
            raise AssertionError('validation runs')

        def before_save_checkpoint(self, runner, checkpoint):
            raise AssertionError('a checkpoint is saved')

        def after_train_iter(self, runner, *args, **kwargs):
            self.seen.append((runner.max_iters, runner.work_dir))

    yield _ForbiddingHook
    HOOKS.module_dict.pop('_ForbiddingHook')


def test_run_is_that_of_training_and_leaves_nothing(
    forbidding_hook, monkeypatch, tmp_path
):
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    name = str(DIGITS / 'cankd_retinanet.py')
    options = {
        **FEW_IMAGES,
        'custom_hooks': [dict(type='_ForbiddingHook')],
        'train_cfg.val_interval': 1,
        'work_dir': str(tmp_path / 'of_the_user'),
    }
    # Two iterations an epoch.
    found = measure(CalibrationRequest(name, 5, options))
    assert (found.iterations, found.images) == (5, 4)
    assert len(forbidding_hook.seen) == 5
    ((max_iters, work_dir),) = set(forbidding_hook.seen)
    assert max_iters == 8  # of four epochs
    assert work_dir.startswith(str(tmp_path / 'calibrate-'))
    assert not list(tmp_path.glob('calibrate-*'))
    assert not (tmp_path / 'of_the_user').exists()
    (loss,) = found.losses
    assert loss.loss_weight == 5.0
    # It does train.
    assert len(set(loss.values)) == len(loss.ratios) == 5
    assert 0.5 < loss.share < 1


def test_training_that_ends_earlier_is_measured_to_its_end(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')
    name = str(DIGITS / 'cankd_retinanet.py')
    options = {**FEW_IMAGES, 'train_cfg.max_epochs': 1}
    assert measure(CalibrationRequest(name, 5, options)).iterations == 2


# ------------------------------------------------------------------ proposals


def loss(name: str, ratio: float, weight: float | None = 1.0) -> MeasuredLoss:
    return MeasuredLoss(name, weight, (2.0,), (0.5,), (ratio,))


def measured(config: str, *losses: MeasuredLoss) -> Calibration:
    return Calibration(config, 1, 16, losses)


def weight_key(name: str) -> str:
    return f'model.distiller.distill_losses.{name}.loss_weight'


def test_only_loss_gets_the_published_ratio():
    own = measured('own.py', loss('loss_b', 4.0, weight=5.0))
    like = measured('like.py', loss('loss_a', 2.0, weight=7.0))
    assert propose_weights(own, like) == {weight_key('loss_b'): 2.5}


def test_all_losses_get_the_ratio_of_one_published_loss():
    own = measured('own.py', loss('loss_b', 4.0), loss('loss_c', 0.5))
    like = measured('like.py', loss('loss_a', 2.0))
    assert propose_weights(own, like) == {
        weight_key('loss_b'): 0.5,
        weight_key('loss_c'): 4.0,
    }


def test_equal_names_are_matched_by_name():
    own = measured('own.py', loss('loss_b', 4.0), loss('loss_a', 0.5))
    like = measured('like.py', loss('loss_a', 2.0), loss('loss_b', 8.0))
    assert propose_weights(own, like) == {
        weight_key('loss_b'): 2.0,
        weight_key('loss_a'): 4.0,
    }


def test_other_names_get_the_geometric_mean():
    own = measured('own.py', loss('loss_b', 1.0), loss('loss_c', 2.0))
    like = measured('like.py', loss('loss_a', 2.0), loss('loss_b', 8.0))
    assert propose_weights(own, like) == {
        weight_key('loss_b'): 4.0,
        weight_key('loss_c'): 2.0,
    }


def test_median_of_the_iterations_counts():
    ratios = (9.0, 1.0, 2.0)
    own = measured('own.py', replace(loss('loss_a', 1.0), ratios=ratios))
    like = measured('like.py', loss('loss_a', 6.0))
    assert propose_weights(own, like) == {weight_key('loss_a'): 3.0}


@pytest.mark.parametrize(
    'value, rounded',
    [(2.3456, 2.3), (0.045678, 0.046), (1234.0, 1200.0), (9.96, 10.0)],
)
def test_weights_have_two_significant_digits(value, rounded):
    assert two_digits(value) == rounded


@pytest.mark.parametrize(
    'own, like, message',
    [
        (
            loss('a', math.inf),
            loss('a', 1.0),
            'own.py: the task loss does not',
        ),
        (loss('a', 1.0), loss('a', math.inf), 'like.py: the task loss does'),
        (loss('a', 0.0), loss('a', 1.0), 'own.py: the gradient of a is 0'),
        (loss('a', 1.0, None), loss('a', 1.0), 'own.py: a has no loss_weight'),
    ],
)
def test_no_proposal_where_no_weight_helps(own, like, message):
    with pytest.raises(ValueError, match=message):
        propose_weights(measured('own.py', own), measured('like.py', like))


def test_published_loss_needs_no_weight():
    own, like = loss('a', 1.0), loss('a', 2.0, weight=None)
    proposal = propose_weights(measured('o', own), measured('l', like))
    assert proposal == {weight_key('a'): 2.0}


# --------------------------------------------------------------------- report


def test_report_names_features_that_the_task_loss_does_not_reach():
    reached = '\n'.join(report_lines(measured('own.py', loss('a', 3.0))))
    assert 'does not reach' not in reached
    own = measured('own.py', loss('a', math.inf))
    text = '\n'.join(report_lines(own))
    assert 'the task loss does not reach this feature' in text
    assert report_dict(own)['losses']['a']['median_ratio'] is None


def test_report_fits_a_screen():
    names = [f'loss_cankd_p{i}' for i in range(3, 7)]
    own = measured('own.py', *(loss(name, 3.25) for name in names))
    proposal = {weight_key(name): 1200.0 for name in names}
    lines = '\n'.join(report_lines(own, own, proposal)).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 79
    assert lines[-6] == '--cfg-options \\'
    assert lines[-5].strip() == f'{weight_key(names[0])}=1200 \\'
