"""What CanKD's configs promise beyond what every config does."""

import pytest
import torch

from tests.test_configs import zoo

CONFIGS = zoo.configs('cankd')
INHERITING = [path for path in CONFIGS if 'inherit' in path.stem]


@pytest.mark.parametrize('path', INHERITING, ids=zoo.name)
def test_inheriting_student_starts_with_the_teachers_modules(path):
    model = zoo.build(path)
    modules = zoo.read(path).model.inherit
    assert 'neck' in modules
    for module in modules:
        ours = model.student.get_submodule(module).state_dict()
        theirs = model.teacher.get_submodule(module).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize('path', CONFIGS, ids=zoo.name)
def test_schedule_is_the_published_one(path):
    cfg = zoo.read(path)
    assert cfg.train_cfg.max_epochs == 24
    assert cfg.param_scheduler[-1].milestones == [16, 22]
    assert cfg.optim_wrapper.clip_grad.max_norm == 35
