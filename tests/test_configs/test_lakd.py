"""What LAKD's configs promise beyond what every config does."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from tests.commands import launch
from tests.digits_run import data_options, log_of, training_options
from tests.test_configs import zoo

CONFIGS = zoo.configs('lakd')
DIGITS = [path for path in zoo.DIGITS if path.stem.startswith('lakd_')]
every_config = pytest.mark.parametrize('path', CONFIGS + DIGITS, ids=zoo.name)


def build_digits(path, **options):
    cfg = Config.fromfile(path)
    cfg.model.update(options)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)


@every_config
def test_each_local_module_has_the_loss_of_its_stage(path, logged):
    model = (build_digits if path in DIGITS else zoo.build)(path)
    *cut, last = model.local_modules
    names = list(model.distiller.distill_losses)
    assert [m.losses for m in (*cut, last)] == [[name] for name in names]
    # Heads train the norms of Swin's stages, too: no loss comes before theirs.
    normed = 'swin' in path.stem
    assert all(m.early_losses == ([] if normed else m.losses) for m in cut)
    assert len(names) == (3 if _detects(path) or path in DIGITS else 4)
    assert not [line for line in logged if 'cuts off' in line]


def _detects(path) -> bool:
    return Config.fromfile(path).default_scope == 'mmdet'


@every_config
def test_weights_are_those_of_the_published_form_divided_by_alpha(path):
    alpha, beta = 0.5, 100.0 if path in DIGITS else 1.0
    losses = Config.fromfile(path).model.distiller.distill_losses
    for loss in losses.values():
        mean = loss.attention_weight * len(losses)
        assert mean == pytest.approx((1 - alpha) / alpha)
        assert loss.feature_weight == pytest.approx(beta / alpha)


@every_config
def test_task_loss_keeps_a_way_to_every_stage_that_a_head_uses(path):
    model = Config.fromfile(path).model
    assert all(cut.on == 'input' for cut in model.truncations)
    assert not model.get('local_backward', False)
    hooks = Config.fromfile(path).default_hooks.values()
    assert dict(type='LocalBackwardHook') in hooks


@pytest.mark.parametrize('path', DIGITS, ids=zoo.name)
def test_student_is_narrower_than_the_teacher_on_equal_grids(path):
    model = build_digits(path).eval()
    image = torch.zeros(1, 3, 96, 96)
    with torch.no_grad():
        pairs = zip(
            model.student.backbone(image),
            model.teacher.backbone(image),
            strict=True,
        )
    for s, t in pairs:
        assert s.shape[2:] == t.shape[2:] and s.size(1) < t.size(1)


def test_modules_open_on_time_after_a_resume(tmp_path):
    opened = {}

    class Watch(Hook):
        priority = 'LOWEST'

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            opened[runner.iter] = [
                k
                for k in (1, 2, 3)
                if runner.model._weight_of(f'loss_lakd_{k}') > 0
            ]

    for epochs in (1, 2):
        cfg = Config.fromfile(DIGITS[0])
        cfg.work_dir = str(tmp_path)
        cfg.experiment_name = f'{tmp_path.name}_{epochs}'
        cfg.train_cfg.max_epochs = epochs
        cfg.train_dataloader.batch_size = 2
        cfg.resume = epochs > 1
        cfg.model.open_every = 3
        for split in ('train', 'val', 'test'):
            dataset = cfg[f'{split}_dataloader'].dataset
            dataset.data_root = str(tmp_path / 'digits')
            dataset.spec = dict(num_train=8, num_val=2)
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Watch())
        runner.train()
    assert opened == {
        **dict.fromkeys(range(3), [1]),
        **dict.fromkeys(range(3, 6), [1, 2]),
        **dict.fromkeys(range(6, 8), [1, 2, 3]),
    }


def test_two_processes_train_the_digits_in_either_form(tmp_path):
    logged = []
    for local_backward in (False, True):
        work_dir = tmp_path / str(local_backward)
        output = launch(
            'dist_train.sh',
            *('configs/digits/lakd_retinanet.py', 2, '--work-dir', work_dir),
            '--cfg-options',
            f'model.local_backward={local_backward}',
            *data_options(),
            *training_options(),
        )
        log = log_of(work_dir)
        assert 'Epoch(train) [1][2/2]' in log
        assert 'find_unused_parameters=True' not in output
        assert (work_dir / 'epoch_1_student.pth').exists()
        found = re.findall(r'(loss_lakd_\d|loss|grad_norm): (\S+)', log)
        logged.append([(name, float(value)) for name, value in found])
    # The distiller has a norm of its own.
    assert len(logged[0]) == 2 * 6
    for (name, summed), (other, early) in zip(*logged, strict=True):
        assert name == other and summed > 0
        # Two backwards add up in another order.
        assert early == pytest.approx(summed, rel=1e-4)
