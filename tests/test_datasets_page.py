"""Every command of docs/datasets.md does on a miniature what the page says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import ROOT
from tests.test_datasets.test_preparation.miniatures import make

PAGE = (ROOT / 'docs' / 'datasets.md').read_text()
COMMANDS = [
    line
    for block in re.findall(r'```shell\n(.*?)```', PAGE, re.DOTALL)
    for line in block.splitlines()
]
PUBLIC = ('coco', 'voc_aug')
# What makes a run small and keeps it from downloading weights.
SMALL = dict(
    detection=[
        'image_scale=192,128',
        'train_cfg.max_epochs=1',
    ],
    segmentation=[
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
        'default_hooks.checkpoint.interval=4',
        'train_dataloader.dataset.pipeline.2.scale="(128,64)"',
        'train_dataloader.dataset.pipeline.3.crop_size=64',
        'val_dataloader.dataset.pipeline.1.scale="(128,64)"',
        'test_dataloader.dataset.pipeline.1.scale="(128,64)"',
    ],
)
TEACHERS = dict(
    detection='work_dirs/retinanet-r101_1x_own-boxes/epoch_12.pth',
    segmentation='work_dirs/deeplabv3plus-r101_20k_own-masks/iter_20000.pth',
)
# In this process there are no workers to start.
LOADERS = [
    f'{split}_dataloader.{key}'
    for split in ('train', 'val', 'test')
    for key in ('num_workers=0', 'persistent_workers=False')
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A checkout as far as the commands see it, with a user's data."""
    root = tmp_path_factory.mktemp('checkout')
    for name in ('tools', 'configs'):
        (root / name).symlink_to(ROOT / name)
    write_photos(root / 'photos')
    write_scenes(root / 'scenes')
    (root / 'my_detector.py').write_text(snippet('my_detector'))
    return root


def snippet(name: str) -> str:
    """The Python block that stands before the first command with a name."""
    before = PAGE[: PAGE.index(f'{name}.py')]
    return re.findall(r'```python\n(.*?)```', before, re.DOTALL)[-1]


def write_photos(root: Path) -> None:
    """YOLO labels, and what is wrong in many folders."""
    (root / 'images').mkdir(parents=True)
    (root / 'labels').mkdir()
    (root / 'data.yaml').write_text('names: [cat, dog]\n')
    random = np.random.default_rng(0)
    for number in range(8):
        pixels = random.integers(0, 255, (64, 96, 3), dtype=np.uint8)
        path = root / 'images' / f'{number}.jpg'
        Image.fromarray(pixels).save(path)
        label = f'{number % 2} 0.5 0.5 0.5 0.6\n' if number != 5 else ''
        (root / 'labels' / f'{number}.txt').write_text(label)
    damaged = root / 'images' / '7.jpg'
    damaged.write_bytes(damaged.read_bytes()[:900])


def write_scenes(root: Path) -> None:
    """Photos, and masks of three classes with an ignored border."""
    random = np.random.default_rng(0)
    for name in ('images', 'masks'):
        (root / name).mkdir(parents=True)
    for number in range(8):
        pixels = random.integers(0, 255, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / 'images' / f'{number}.jpg')
        labels = np.repeat(np.arange(96) // 32, 64).reshape(96, 64).T
        labels = labels.astype(np.uint8)
        labels[:2] = 255
        Image.fromarray(labels).save(root / 'masks' / f'{number}.png')


def run(command: str, folder: Path) -> str:
    words = shlex.split(command)
    assert words[0] == 'python'
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def small(command: str) -> str:
    """The same run, on few pixels and without a download."""
    config = Path(command.split()[2]).stem
    task = 'detection' if 'boxes' in config else 'segmentation'
    options = [*SMALL[task], *LOADERS]
    is_pair = config.count('_') == 4
    student = 'model.architecture' if is_pair else 'model'
    options.append(f'{student}.backbone.init_cfg=None')
    if task == 'segmentation':
        options.append(f'{student}.data_preprocessor.size="(64,64)"')
        options += [f'{student}.pretrained=None'] * ('segformer' not in config)
    else:
        # After one epoch no score is high.
        options.append(f'{student}.test_cfg.score_thr=0.0')
    if is_pair:
        options.append(f'model.teacher_ckpt={TEACHERS[task]}')
    return shortened(' '.join([command, *options]))


def shortened(text: str) -> str:
    """The names of the checkpoints of the short runs."""
    return text.replace('iter_20000', 'iter_4').replace('epoch_12', 'epoch_1')


def commands(text: str) -> list[str]:
    """The commands that a folder of one's own is in."""
    return [line for line in COMMANDS if text in line]


def test_every_command_of_the_page_is_one_of_these():
    known = [
        *commands('photos'),
        *commands('scenes'),
        *commands('my_detector.py'),
        *(f'tools/prepare_data.py {name} ' for name in PUBLIC),
    ]
    for line in COMMANDS:
        assert any(part in line for part in known), line
    for name in ('photos', 'scenes'):
        prepare, teacher, student, evaluate, *more = commands(name)
        assert 'prepare_data.py' in prepare
        assert 'configs/teachers/' in teacher and 'train.py' in teacher
        assert 'configs/cankd/' in student and 'train.py' in student
        assert 'test.py' in evaluate
        assert len(more) == 1 and 'configs/cskd/' in more[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, metric', [('photos', 'coco/bbox_mAP'), ('scenes', 'mIoU')]
)
def test_four_commands_make_a_student_of_a_folder(name, metric, folder):
    before = contents(folder / name)
    prepare, teacher, *others = commands(name)
    report = run(prepare, folder)
    assert f"data_root = '{name}/'" in report
    assert 'Ready' in report
    assert contents(folder / name).items() >= before.items()
    run(small(teacher), folder)
    for command in others:
        output = run(small(command), folder)
        assert metric in output


def contents(root: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_recipe_of_the_libraries_takes_the_two_lines(folder):
    _, show = commands('my_detector.py')
    run(commands('photos')[0], folder)
    text = run(show, folder)
    assert "ann_file='prepared/train.json'" in text
    assert 'num_classes=2' in text and 'data/coco' not in text


@pytest.mark.parametrize('name', PUBLIC)
def test_public_data_sets_are_prepared(name, tmp_path):
    (line,) = commands(f'prepare_data.py {name} ')
    root = tmp_path / line.split()[3]
    root.parent.mkdir(parents=True)
    made = make(name, tmp_path / 'made')
    assert made.is_dir()
    (tmp_path / 'tools').symlink_to(ROOT / 'tools')
    root.symlink_to(made)
    assert 'Ready.' in run(line, tmp_path)
