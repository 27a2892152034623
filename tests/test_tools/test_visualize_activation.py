"""tools/visualize_activation.py writes a picture, and never over another."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from cankd_mm.datasets.digits import DigitsSpec, make_digits
from cankd_mm.utils.model_config import build_model
from tests.commands import ROOT, run_tool
from tests.forked_tools import fork_tool, fork_tool_unchecked

TOOL = 'visualize_activation.py'


@pytest.fixture(scope='module')
def image(tmp_path_factory) -> Path:
    spec = DigitsSpec(num_train=1, num_val=1)
    folder = make_digits(tmp_path_factory.mktemp('digits'), spec)
    return next(Path(folder).rglob('*.jpg'))


def _student(task: str, scope: str, path: Path) -> Path:
    config = ROOT / 'configs' / 'digits' / f'baseline_{task}.py'
    with DefaultScope.overwrite_default_scope(scope):
        student = build_model(dict(cfg_path=str(config)), 'model')
    torch.save(dict(state_dict=student.state_dict()), path)
    return path


@pytest.mark.parametrize(
    'task, scope', [('retinanet', 'mmdet'), ('segmentor', 'mmseg')]
)
def test_writes_a_row_for_each_module_beside_the_checkpoint(
    task, scope, image, tmp_path
):
    checkpoint = _student(task, scope, tmp_path / 'last.pth')
    config = f'configs/digits/lakd_{task}.py'
    output = fork_tool(TOOL, config, checkpoint, image)
    for k in (1, 2, 3):
        assert f'backbone.layer{k} and backbone.layer{k}: cosine' in output
    out = tmp_path / f'last_{image.stem}_activation.png'
    width, height = Image.open(out).size
    assert width > 500 and height > width

    before = out.read_bytes()
    code, output = fork_tool_unchecked(TOOL, config, checkpoint, image)
    assert code == 1 and '--force' in output
    assert out.read_bytes() == before


def test_force_overwrites_the_named_file(image, tmp_path):
    checkpoint = _student('retinanet', 'mmdet', tmp_path / 'last.pth')
    out = tmp_path / 'named.png'
    out.write_text('old')
    run_tool(
        TOOL,
        'configs/digits/lakd_retinanet.py',
        *(checkpoint, image, '--out', out, '--force'),
    )
    assert Image.open(out).size[0] > 500
