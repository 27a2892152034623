"""MMEngine by itself reads the same data and classes from a config."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from mmengine.config import Config

from cankd_mm.utils.config_file import config_from_file
from tests.commands import ROOT, run_unchecked

TWO_LINES = "data_root = 'mine/'\nclasses = ('cat', 'dog')\n"
TEACHER = 'teachers/retinanet-r101_1x_own-boxes.py'
RECIPE = 'baselines/gfl-r50_1x_coco.py'
IMPORT = "custom_imports = dict(imports=['cankd_mm'])\n"
RETINANET = "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'\n"
PAIR = 'cankd/cankd_retinanet-r101_retinanet-r50_1x_voc0712.py'


def python(*statements) -> str:
    """Run statements in a process that has not imported this package."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', '\n'.join(statements)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    'text',
    [
        RETINANET + IMPORT + TWO_LINES,
        *(
            f'_base_ = {str(ROOT / "configs" / name)!r}\n' + TWO_LINES
            for name in (PAIR, TEACHER, RECIPE)
        ),
    ],
    ids=['stock recipe', 'pair', 'teacher', 'recipe of mmdet'],
)
def test_first_config_of_a_process_has_its_data_and_classes(text, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(text)
    line = python(
        'from mmengine.config import Config',
        f'cfg = Config.fromfile({str(path)!r})',
        'from cankd_mm.config.own_data.places import data_sets_of',
        'print({d["data_root"] for _, _, d in data_sets_of(cfg)}, '
        'cfg.model.get("architecture", cfg.model).bbox_head.num_classes)',
    )
    assert line == "{'mine/'} 2"


def test_names_that_are_set_in_a_notebook_reach_the_runner(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(RETINANET + IMPORT)
    line = python(
        'from mmengine.config import Config',
        'from mmengine.runner import Runner',
        f'cfg = Config.fromfile({str(path)!r})',
        'cfg.data_root, cfg.classes = "mine/", ("cat", "dog")',
        f'cfg.work_dir = {str(tmp_path)!r}',
        'cfg.model.backbone.init_cfg = None',
        'runner = Runner.from_cfg(cfg)',
        'print(runner.cfg.train_dataloader.dataset.data_root, '
        'runner.model.bbox_head.num_classes)',
    )
    assert line == 'mine/ 2'


def test_copy_of_a_config_is_not_changed_again(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(RETINANET + TWO_LINES)
    cfg = Config.fromfile(path)
    again = Config.fromfile(path)
    assert cfg.to_dict() == again.to_dict()
    assert cfg.copy().to_dict() == cfg.to_dict()


PYTHON_STYLE = """
from mmdet.datasets import CocoDataset
from mmdet.models import RetinaNet
from cankd_mm import __version__

data = dict(type=CocoDataset, data_root='data/coco/', pipeline=[])
train_dataloader = dict(dataset=data)
model = dict(type=RetinaNet, bbox_head=dict(num_classes=80))
"""


def test_config_in_the_style_of_python_follows(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(PYTHON_STYLE + TWO_LINES)
    for cfg in (Config.fromfile(path), config_from_file(path, 'config')):
        assert cfg.train_dataloader.dataset.data_root == 'mine/'
        assert cfg.model.bbox_head.num_classes == 2


def test_training_program_of_mmdet_trains_on_the_named_data(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        RETINANET + IMPORT + f'data_root = {str(tmp_path / "nowhere")!r}\n'
    )
    (root,) = find_spec('mmdet').submodule_search_locations
    code, output = run_unchecked(
        sys.executable,
        f'{root}/.mim/tools/train.py',
        path,
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'model.backbone.init_cfg=None',
    )
    assert code != 0
    missing = tmp_path / 'nowhere' / 'annotations' / 'instances_train2017.json'
    assert str(missing) in output[-2000:]


def test_recipe_of_several_folders_from_elsewhere_is_left_alone(tmp_path):
    text = (
        "default_scope = 'mmdet'\n"
        'train_dataloader = dict(dataset=dict(type="CocoDataset", '
        'data_root="data/coco/", pipeline=[]))\n'
        'val_dataloader = dict(dataset=dict(type="CocoDataset", '
        'data_root="data/{}/", pipeline=[]))\n'
        'data_root = "data/{}/"\n'
    )
    (tmp_path / 'base.py').write_text(text.format('coco', 'coco'))
    path = tmp_path / 'recipe.py'
    path.write_text(
        "_base_ = './base.py'\ndata_root = 'data/other/'\n"
        "val_dataloader = dict(dataset=dict(data_root='data/other/'))\n"
    )
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader.dataset.data_root == 'data/coco/'
