"""``tools/prepare_data.py`` as a user runs it."""

import json
import runpy
import sys

import pytest

from cankd_mm.datasets.preparation import DATA_SETS
from tests.commands import ROOT, run_unchecked
from tests.forked_tools import fork_tool
from tests.test_datasets.test_preparation.miniatures import make

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
    ],
)
def test_wrong_commands_end_with_2(arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', [TOOL, *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(f'tools/{TOOL}', run_name='__main__')
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
