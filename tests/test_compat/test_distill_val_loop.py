"""MMRazor's loop validates a teacher as it is."""

import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmrazor.registry import LOOPS, MODELS

from cankd_mm import compat
from cankd_mm.compat import distill_val_loop
from tests import tiny_models
from tests.commands import ROOT
from tests.digits_run import (
    DISTILLATION,
    TEACHER,
    student_options,
    training_options,
)
from tests.forked_tools import fork_tool
from tests.tried.runs import train

LOOP = 'mmrazor.SingleTeacherDistillValLoop'
# What the shipped teacher has on the first hundred images.
TEACHER_MAP = 0.84


def test_not_needed_once_loops_are_looked_up():
    LOOPS.get('SingleTeacherDistillValLoop')
    assert not distill_val_loop.needed()
    assert 'distill_val_loop' in compat.applied()


def _runner(model) -> SimpleNamespace:
    return SimpleNamespace(
        distributed=False, model=model, visualizer=SimpleNamespace()
    )


def _trained(work_dir, model: str = '', images: int = 100) -> str:
    """Trains for an iteration with the loop and ``save_best='auto'``."""
    config = work_dir / 'config.py'
    config.write_text(
        f'_base_ = [{str(ROOT / DISTILLATION)!r}]\n'
        f'model = dict({model})\n'
        f'val_cfg = dict(_delete_=True, type={LOOP!r})\n'
        "default_hooks = dict(checkpoint=dict(save_best='auto'))\n"
        'train_dataloader = dict(batch_size=4, dataset=dict(indices=4))\n'
        f'val_dataloader = dict(dataset=dict(indices={images}))\n'
        'train_cfg = dict(max_epochs=1, val_interval=1)\n'
    )
    return fork_tool('train.py', config, '--work-dir', work_dir / 'run')


def _teacher_map(output: str) -> float:
    return float(re.findall(r'teacher\.coco/bbox_mAP: (\S+)', output)[-1])


@pytest.mark.parametrize('dtype', [None, 'bfloat16'])
def test_teacher_is_validated_in_its_normalization_and_format(dtype, tmp_path):
    output = _trained(
        tmp_path,
        'architecture=dict(data_preprocessor=dict('
        'mean=[103.53, 116.28, 123.675], std=[1, 1, 1])), '
        f'teacher_dtype={dtype!r}',
    )
    assert _teacher_map(output) == pytest.approx(
        TEACHER_MAP, abs=0.02 if dtype else 5e-5
    )


def test_best_checkpoint_never_follows_the_teacher(tmp_path):
    # After one iteration the student detects nothing: no metric of its own.
    output = _trained(tmp_path, images=24)
    assert _teacher_map(output) > 0.7
    assert not list((tmp_path / 'run').glob('best_teacher*'))


def test_best_checkpoint_follows_a_student_that_detects(tmp_path):
    output = fork_tool(
        'train.py',
        DISTILLATION,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        f'val_cfg.type={LOOP}',
        'default_hooks.checkpoint.save_best=auto',
        'train_dataloader.dataset.indices=4',
        'val_dataloader.dataset.indices=24',
        f'model.student_ckpt={TEACHER}',
        *student_options('model.architecture'),
        *training_options(),
    )
    assert _teacher_map(output) > 0.7
    assert list(tmp_path.glob('best_coco_bbox_mAP_epoch_1.pth'))


def test_it_is_one_epoch_for_hooks():
    # An EMA swaps weights when an epoch of validation begins and ends.
    runs = [
        train(
            tiny_models.retinanet_pair(),
            tiny_models.detection_batch,
            hooks=[dict(type='EMAHook', momentum=0.1)],
            val_cfg=loop,
        )
        for loop in ({}, dict(type=LOOP))
    ]
    expected, found = (run.model.state_dict() for run in runs)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_model_without_a_teacher_is_named(tmp_path):
    model = MODELS.build(tiny_models.retinanet())
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo=None))
    with pytest.raises(ValueError, match=r"RetinaNet has none.*'ValLoop'"):
        LOOPS.get(LOOP)(
            _runner(model),
            loader,
            Evaluator([]),
        )


def test_teachers_preprocessor_stays_its_own():
    config = tiny_models.retinanet_pair()
    config.teacher.data_preprocessor.mean = [0.0, 0.0, 0.0]
    model = MODELS.build(Config(dict(model=config)).model)
    own = model.teacher.data_preprocessor
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo=None))
    LOOPS.get(LOOP)(_runner(model), loader, Evaluator([]))
    assert model.teacher.data_preprocessor is own
    assert own is not model.data_preprocessor
