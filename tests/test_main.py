"""`python -m cankd_mm SCRIPT` runs scripts of other projects."""

import re
import shlex
import sys
from glob import glob
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.commands import ROOT, run, run_unchecked
from tests.forked_tools import fork_tool

PAGE = (ROOT / 'docs' / 'other_tools.md').read_text()
COMMANDS = [
    line
    for block in re.findall(r'```shell\n(.*?)```', PAGE, re.DOTALL)
    for line in block.splitlines()
]
START = 'python -m cankd_mm '
FEW = ('--cfg-options', 'train_dataloader.dataset.indices=3')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Stands for ``work_dirs``, with a short run of the page's pair."""
    folder = tmp_path_factory.mktemp('work_dirs')
    (training,) = (c for c in COMMANDS if not c.startswith(START))
    config = training.removeprefix('python tools/train.py ')
    fork_tool(
        'train.py',
        config,
        *('--work-dir', folder / Path(config).stem, *FEW),
        'train_cfg.max_epochs=2',
        # The script stumbles over an evaluation that finds nothing.
        *('val_cfg=None', 'val_dataloader=None', 'val_evaluator=None'),
        'default_hooks.logger.interval=1',
    )
    return folder


def command(start: str, folder: Path) -> list[str]:
    """The page's command that starts so, without the module's name."""
    (line,) = (c for c in COMMANDS if c.startswith(START + start))
    words = shlex.split(line.removeprefix(START))
    words = [word.replace('work_dirs', str(folder)) for word in words]
    return [
        match
        for word in words
        for match in (sorted(glob(word)) if '*' in word else [word])
    ]


def run_script(*arguments, **environment) -> str:
    return run(sys.executable, '-m', 'cankd_mm', *arguments, **environment)


def test_every_command_of_the_page_is_tried_here():
    assert len(COMMANDS) == 9
    text = Path(__file__).read_text()
    for line in COMMANDS:
        script = line.removeprefix(START).split()[0]
        assert script in text or line == COMMANDS[5], line


@pytest.mark.parametrize(
    'script, output',
    [
        ('mmdet::tools/analysis_tools/browse_dataset.py', 'browse'),
        pytest.param(
            *('mmseg::tools/analysis_tools/browse_dataset.py', 'browse_masks'),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_images_are_drawn(script, output, folder):
    run_script(*command(script, folder), *FEW)
    pictures = list((folder / output).rglob('*.jpg')) or list(
        (folder / output).rglob('*.png')
    )
    assert len(pictures) == 3
    with Image.open(pictures[0]) as picture:
        assert picture.width >= 96


def flops(output: str) -> tuple[str, str]:
    return re.search(r'Flops: (\S+)\nParams: (\S+)', output).groups()


def test_flops_are_the_students(folder):
    script = 'mmdet::tools/analysis_tools/get_flops.py configs/digits/'
    pair = flops(run_script(*command(f'{script}cankd', folder)))
    plain = flops(run_script(*command(f'{script}baseline', folder)))
    assert pair[0] == plain[0] == '58.527M' and '58.527M' in PAGE
    assert plain[1] == '0.158M' and pair[1] == '0.172M'
    assert '0.172M and 0.158M' in PAGE


@pytest.mark.slow
def test_flops_of_a_segmentor(folder):
    script = 'mmseg::tools/analysis_tools/get_flops.py'
    found, parameters = flops(run_script(*command(script, folder)))
    assert found == '42.125M' and parameters == '0.194M'


def test_log_is_read(folder):
    script = 'mmdet::tools/analysis_tools/analyze_logs.py '
    run_script(*command(f'{script}plot_curve', folder), MPLBACKEND='agg')
    with Image.open(folder / 'curves.png') as picture:
        assert picture.width > 100
    output = run_script(*command(f'{script}cal_train_time', folder))
    assert re.search(r'average iter time: [\d.]+ s/iter', output)


@pytest.mark.slow
def test_config_is_printed(folder):
    output = run_script(
        *command('mmrazor::tools/misc/print_config.py', folder)
    )
    assert 'FrozenTeacherDistill' in output


def test_script_runs_as_the_main_program(tmp_path):
    (tmp_path / 'beside.py').write_text('found = 1')
    script = tmp_path / 'script.py'
    script.write_text(
        'import sys, beside\n'
        'from mmrazor.registry import MODELS\n'
        'import mmcv.ops\n'
        "assert __name__ == '__main__'\n"
        "print('args:', sys.argv[1:], beside.found)\n"
        "print(MODELS.get('FrozenTeacherDistill').__name__)\n"
        'sys.exit(3)\n'
    )
    code, output = run_unchecked(
        *(sys.executable, '-m', 'cankd_mm', script, '--a', '-m', 'b c')
    )
    assert code == 3
    assert "args: ['--a', '-m', 'b c'] 1\nFrozenTeacherDistill" in output


def test_script_loads_checkpoints_of_openmmlab(folder, tmp_path):
    checkpoint = folder / 'cankd_retinanet' / 'epoch_2.pth'
    script = tmp_path / 'script.py'
    script.write_text(
        'import sys, torch\n'
        'content = torch.load(sys.argv[1])\n'
        "print(sorted(content), content['message_hub'].keys())\n"
    )
    assert 'log_scalars' in run_script(script, checkpoint)
    # As data: a function that a file names is not called.
    evil = tmp_path / 'evil.pth'
    torch.save(dict(run=Evil()), evil)
    code, output = run_unchecked(
        *(sys.executable, '-m', 'cankd_mm', script, evil)
    )
    assert code and 'ran code' not in output


class Evil:
    def __reduce__(self):
        return print, ('ran code',)


@pytest.mark.parametrize(
    'name, expected',
    [
        ('nowhere.py', 'there is no script nowhere.py'),
        ('no_such_package::a.py', "no package 'no_such_package'"),
        ('mmdet::tools/nowhere.py', 'mmdet::tools/analysis_tools/get_flops'),
    ],
)
def test_missing_script_is_named(name, expected):
    code, output = run_unchecked(sys.executable, '-m', 'cankd_mm', name)
    assert code == 1 and expected in output
    assert 'Traceback' not in output


def test_help():
    assert 'SCRIPT ARGS' in run_script('--help')
    code, output = run_unchecked(sys.executable, '-m', 'cankd_mm')
    assert code == 2 and 'SCRIPT ARGS' in output
