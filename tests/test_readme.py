"""What the README says to write works as written."""

import re

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from tests import tiny_models
from tests.commands import ROOT

SNIPPETS = re.findall(
    r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL
)


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """The first snippet beside a teacher's config."""
    assert (ROOT / 'cankd_mm' / '.mim').is_dir(), (
        'this checkout is not installed, and `cankd_mm::` paths are found in '
        'what is: pip install --no-deps -e .'
    )
    monkeypatch.chdir(tmp_path)
    teacher = tiny_models.retinanet(channels=512).to_dict()
    (tmp_path / 'my_teacher.py').write_text(
        f"default_scope = 'mmdet'\nmodel = {teacher!r}\n"
    )
    file = tmp_path / 'my_pair.py'
    file.write_text(SNIPPETS[0])
    return file


def test_own_pair_takes_the_students_recipe_and_adds_a_teacher(pair):
    cfg = Config.fromfile(pair)
    assert cfg.model.type == 'mmrazor.FrozenTeacherDistill'
    assert cfg.model.architecture.type == 'RetinaNet'
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.custom_imports['imports'] == ['cankd_mm']


def test_connector_of_the_readme_bridges_other_channels(pair):
    head, _, block = SNIPPETS[0].partition('\n\nmodel = dict(')
    block = block.replace('_base_.distiller', 'distiller')
    pair.write_text(f'{head}\n{SNIPPETS[1]}\nmodel = dict({block}')
    model = Config.fromfile(pair).model
    model.update(teacher_ckpt=None, allow_random_teacher=True)
    model.architecture.backbone.update(depth=18, init_cfg=None)
    model.architecture.neck.in_channels = [64, 128, 256, 512]
    with DefaultScope.overwrite_default_scope('mmdet'):
        built = MODELS.build(model)
    channels = [
        tuple(weight.shape[:2])
        for name, weight in built.distiller.connectors.named_parameters()
        if weight.ndim == 4
    ]
    assert channels == [(512, 256)] * 4
