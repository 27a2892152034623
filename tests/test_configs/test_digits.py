"""Every digits config trains, validates and predicts."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from cankd_mm.utils.checkpoint import read_checkpoint
from cankd_mm.utils.model_config import build_model
from tests.test_configs import zoo

FOLDER = zoo.CONFIGS / 'digits'
CONFIGS = zoo.DIGITS
TEACHERS = sorted(FOLDER.glob('teacher_*.py'))
DISTILLED = [path for path in CONFIGS if zoo.distilled(path)]


def name(path: Path) -> str:
    return path.stem


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return tmp_path_factory.mktemp('digits')


def tiny(path: Path, data_root: Path, work_dir: Path) -> Config:
    """One training step on four images, validation on two."""
    cfg = Config.fromfile(path)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    cfg.train_cfg.max_epochs = 1
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.data_root = str(data_root)
        dataset.spec = dict(num_train=4, num_val=2)
    return cfg


def is_equal(a, b) -> bool:
    """Whether two nested outputs are bit for bit the same."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    return len(a) == len(b) and all(map(is_equal, a, b))


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_trains_a_step_and_predicts(path, data_root, tmp_path):
    runner = Runner.from_cfg(tiny(path, data_root, tmp_path))
    before = [value.clone() for value in runner.model.parameters()]
    runner.train()
    assert (tmp_path / 'epoch_1.pth').is_file()
    changed = [
        not torch.equal(old, new)
        for old, new in zip(before, runner.model.parameters(), strict=True)
        if new.requires_grad
    ]
    assert sum(changed) > len(changed) / 2
    batch = next(iter(runner.val_dataloader))
    predictions = runner.model.test_step(batch)
    assert len(predictions) == 2
    for prediction in predictions:
        assert ('pred_instances' in prediction) or (
            'pred_sem_seg' in prediction
        )


@pytest.mark.parametrize('path', DISTILLED, ids=name)
def test_student_file_is_the_student_alone(path, data_root, tmp_path):
    cfg = tiny(path, data_root, tmp_path)
    runner = Runner.from_cfg(cfg)
    runner.train()
    batch = next(iter(runner.val_dataloader))
    data = runner.model.data_preprocessor(batch, False)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        student = build_model(cfg.model.architecture, 'model.architecture')
    state = read_checkpoint(str(tmp_path / 'epoch_1_student.pth'), 'file')
    student.load_state_dict(state['state_dict'], strict=True)
    with torch.no_grad():
        distilled = runner.model.eval()(**data, mode='tensor')
        alone = student.eval()(data['inputs'], mode='tensor')
    assert is_equal(distilled, alone)


@pytest.mark.parametrize('path', DISTILLED, ids=name)
def test_distilled_student_differs_from_the_baseline_by_the_teacher_alone(
    path,
):
    distilled = Config.fromfile(path)
    task = path.stem.split('_')[-1]
    baseline = Config.fromfile(FOLDER / f'baseline_{task}.py')
    assert not zoo.differences(distilled, baseline)


@pytest.mark.parametrize('path', TEACHERS, ids=name)
def test_shipped_weights_are_small_and_fit_every_key(path):
    weights = path.with_suffix('.pth')
    assert weights.stat().st_size < 5e6
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        teacher = build_model(dict(cfg_path=str(path)), 'model')
    state = read_checkpoint(str(weights), 'checkpoint')['state_dict']
    teacher.load_state_dict(state, strict=True)


@pytest.mark.parametrize('path', DISTILLED, ids=name)
def test_teacher_is_found_from_any_directory(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = Config.fromfile(path).model
    assert Path(model.teacher.cfg_path).is_file()
    assert Path(model.teacher_ckpt).is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    'task, metric, reached',
    [('retinanet', 'coco/bbox_mAP', 0.8), ('segmentor', 'mIoU', 70)],
)
def test_shipped_teacher_reaches_its_score(task, metric, reached, tmp_path):
    cfg = Config.fromfile(FOLDER / f'teacher_{task}.py')
    cfg.work_dir = str(tmp_path)
    cfg.test_dataloader.dataset.data_root = str(tmp_path / 'digits')
    cfg.load_from = str(FOLDER / f'teacher_{task}.pth')
    assert Runner.from_cfg(cfg).test()[metric] > reached
