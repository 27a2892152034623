"""The student comes out of a distillation checkpoint, whole and plain."""

import errno

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import MODELS, DefaultScope

from cankd_mm.utils.student_export import (
    check_student,
    export_student,
    student_config_text,
    student_path,
)
from tests import tiny_models
from tests.commands import ROOT, run_tool
from tests.digits_run import DISTILLATION
from tests.forked_tools import fork_tool, fork_tool_unchecked


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint as a data-parallel run with a mean of weights leaves it."""
    from mmrazor.registry import MODELS

    model = MODELS.build(
        tiny_models.distillation(
            tiny_models.retinanet(), tiny_models.retinanet(16)
        )
    )
    path = tmp_path / 'epoch_1.pth'
    state = {f'module.{k}': v for k, v in model.state_dict().items()}
    meta = dict(epoch=1, cfg='model = ...', dataset_meta=dict(classes=('a',)))
    torch.save(dict(state_dict=state, meta=meta, optimizer={}), path)
    config = tmp_path / 'distillation.py'
    config.write_text(
        "default_scope = 'mmdet'\n"
        f'model = dict(architecture={tiny_models.retinanet().to_dict()!r})\n'
    )
    return path, config, model


def test_exported_weights_equal_the_students(checkpoint):
    path, config, model = checkpoint
    out = export_student(path, student_path(path))
    assert out.name == 'epoch_1_student.pth'
    content = torch.load(out, weights_only=True)
    assert content.keys() == {'state_dict', 'meta'}
    assert content['meta'] == dict(epoch=1, dataset_meta=dict(classes=('a',)))
    expected = tiny_models.student_state(model)
    assert content['state_dict'].keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(content['state_dict'][name], value)
    assert check_student(config, out).coverage == 1


@pytest.mark.parametrize('prefix', ['', 'architecture.'])
def test_students_of_either_layout_are_exported(prefix, tmp_path):
    path = tmp_path / 'plain.pth'
    state = {f'{prefix}weight': torch.zeros(1)}
    torch.save(dict(state_dict=state, optimizer={}), path)
    out = export_student(path, tmp_path / 'out.pth')
    assert torch.load(out)['state_dict'].keys() == {'weight'}
    assert 'optimizer' not in torch.load(out)


def test_config_of_the_plain_student_builds_it(checkpoint):
    path, config, _ = checkpoint
    run_tool('export_student.py', config, path)
    meta = torch.load(student_path(path))['meta']
    cfg = Config.fromstring(meta['cfg'], '.py')
    assert cfg.model.type == 'RetinaNet' and 'architecture' not in cfg.model
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    model.load_state_dict(torch.load(student_path(path))['state_dict'])


def test_the_checkpoint_itself_is_never_overwritten(checkpoint):
    path, config, _ = checkpoint
    content = path.read_bytes()
    with pytest.raises(ValueError, match='is the checkpoint itself'):
        export_student(path, path)
    code, output = fork_tool_unchecked(
        'export_student.py', config, path, '--out', path, '--force'
    )
    assert code != 0 and 'is the checkpoint itself' in output
    assert path.read_bytes() == content


def test_failed_write_leaves_the_former_file(checkpoint, monkeypatch):
    path, _, _ = checkpoint
    out = student_path(path)
    out.write_text('the former one')

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(OSError, match=f'{out} was not written: No space left'):
        export_student(path, out)
    assert out.read_text() == 'the former one'
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        [path.name, out.name, 'distillation.py']
    )


def test_student_that_is_not_finite_is_refused(checkpoint, tmp_path):
    path, _, _ = checkpoint
    content = torch.load(path)
    name = 'module.backbone.conv1.weight'
    content['state_dict'][name].view(-1)[:2] = torch.inf
    torch.save(content, path)
    with pytest.raises(ValueError, match=r'backbone.conv1.weight \(2 inf of'):
        export_student(path, tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()


def test_student_of_another_config_is_found_out(checkpoint, tmp_path):
    path, config, _ = checkpoint
    out = export_student(path, student_path(path))
    config.write_text(
        config.read_text().replace("'num_classes': 3", "'num_classes': 4")
    )
    with pytest.raises(ValueError, match='mis-shaped bbox_head.retina_cls'):
        check_student(config, out)


def test_tool_exports_checks_and_overwrites_nothing(checkpoint):
    path, config, _ = checkpoint
    output = run_tool('export_student.py', config, path, '--check')
    assert '100.0 % of the weights loaded' in output
    code, output = fork_tool_unchecked('export_student.py', config, path)
    assert code != 0 and '--force' in output
    fork_tool('export_student.py', config, path, '--force')


def test_config_with_built_parts_is_left_out_with_a_warning(logged):
    cfg = Config.fromfile(ROOT / DISTILLATION)
    cfg.custom_hooks = [Hook()]
    assert student_config_text(cfg) is None
    assert any('The file of the student holds no config' in m for m in logged)
