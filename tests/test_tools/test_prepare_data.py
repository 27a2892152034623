"""``tools/prepare_data.py`` as a user runs it."""

import json
import runpy
import sys

import pytest

from cankd_mm.datasets.preparation import DATA_SETS
from tests.commands import ROOT, run_unchecked
from tests.forked_tools import fork_tool, fork_tool_unchecked
from tests.test_datasets.test_preparation.miniatures import make
from tests.test_datasets.test_preparation.test_own import miniatures as mini

TOOL = 'prepare_data.py'


@pytest.fixture(scope='module')
def outputs(tmp_path_factory):
    """What the command prints for every data set, made ready by it."""

    roots = {
        name: make(name, tmp_path_factory.mktemp(name)) for name in DATA_SETS
    }
    return {
        name: (root, fork_tool(TOOL, name, root))
        for name, root in roots.items()
    }


@pytest.mark.parametrize('name', DATA_SETS)
def test_data_sets_are_made_ready(name, outputs):
    root, output = outputs[name]
    assert f'{DATA_SETS[name].title} in {root}\n' in output
    assert output.endswith('\nReady.\n')
    masks = len(list(root.rglob('*_labelTrainIds.png')))
    masks += len(list(root.glob('SegmentationClassAug/*.png')))
    converts = name not in ('coco', 'voc')
    assert bool(masks) == converts
    assert ('converted now' in output) == converts
    assert f"data_root = '{root}" in output


def test_missing_files_end_with_1(outputs):
    root, _ = outputs['voc']
    missing = root / 'VOC2012/JPEGImages/2008_000003.jpg'
    content = missing.read_bytes()
    missing.unlink()
    try:
        command = (sys.executable, f'tools/{TOOL}', 'voc', root, '--json')
        code, output = run_unchecked(*command)
    finally:
        missing.write_bytes(content)
    assert code == 1
    report = json.loads(output)
    assert report['ready'] is False
    (problem,) = report['problems']
    assert 'VOC2012/JPEGImages/2008_000003.jpg' in problem['text']
    assert 'VOCtrainval_11-May-2012.tar' in problem['remedy']
    assert report['classes']['tvmonitor'] == 1


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['imagenet', '.'], 'invalid choice'),
        (['coco'], 'the following arguments are required: PATH'),
        (['coco', 'README.md'], 'README.md is a file'),
        (['coco', '.', '--workers', '0'], '--workers is 0'),
        (['voc', '.', '--sbd', '.'], '--sbd is for voc_aug'),
        (
            ['voc', '.', '--seed', '1'],
            '--seed is for detection and segmentation, not for voc',
        ),
        (
            ['segmentation', '.', '--format', 'voc'],
            '--format is for detection, not for segmentation',
        ),
        (
            ['detection', '.', '--ignore', '0'],
            '--ignore is for segmentation, not for detection',
        ),
        (['detection', '.', '--format', 'csv'], 'invalid choice'),
        (['detection', '.', '--val-fraction', '20'], 'is 20.0, expected'),
        (['detection', '.', '--val-fraction', 'nan'], 'is nan, expected'),
        (['segmentation', '.', '--classes', 'a,,b'], 'is a,,b, expected'),
        (['segmentation', '.', '--classes', 'a,a'], 'different names'),
    ],
)
def test_wrong_commands_end_with_2(arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [TOOL, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(f'tools/{TOOL}', run_name='__main__')
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_photos_of_ones_own_are_prepared(tmp_path):
    root = mini.voc(tmp_path / 'photos')
    (root / 'images/p00.jpg').write_bytes(b'')
    output = fork_tool(
        *(TOOL, 'detection', root, '--val-fraction', '0.4', '--seed', '3')
    )
    assert output.endswith(
        'In a config, or with --cfg-options:\n'
        f"  data_root = '{root}/'\n"
        "  classes = ('cat', 'dog')\n"
        'Ready, without 1 image: see ? above.\n'
    )
    assert len(mini.names(root, 'val')) == 4
    again = fork_tool(
        *(TOOL, 'detection', root, '--val-fraction', '0.4', '--seed', '3')
    )
    assert 'Nothing to write' in again
    code, output = fork_tool_unchecked(TOOL, 'detection', root)
    assert code == 1
    assert 'val 4 images then, 2 now' in output
    fork_tool(TOOL, 'detection', root, '--overwrite')
    assert len(mini.names(root, 'val')) == 2


def test_masks_of_ones_own_are_prepared(tmp_path):
    root = mini.scenes(tmp_path / 'scenes', images='x', masks='y')
    options = ['--images', 'x', '--masks', 'y', '--ignore', '2']
    options += ['--classes', 'a,b,c', '--workers', '2', '--json']
    output = fork_tool(TOOL, 'segmentation', root, *options)
    report = json.loads(output[output.index('{') :])
    assert report['ready'] is True
    assert report['classes'] == dict(a=10, b=10, c=10)
    assert report['converted'] == 10
    assert report['usage'][-1] == "  classes = ('a', 'b', 'c')"


def test_names_that_the_terminal_cannot_show_stop_nothing(tmp_path):
    root = mini.voc(tmp_path / 'photos')
    (root / 'annotations/p00.xml').unlink()
    (root / 'images/p00.jpg').rename(root / 'images/\u732b.jpg')
    command = (sys.executable, f'tools/{TOOL}', 'detection', root)
    code, output = run_unchecked(*command, PYTHONIOENCODING='ascii')
    assert code == 0, output
    assert 'without a label: images/\\u732b.jpg' in output
