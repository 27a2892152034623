"""``tools/model_zoo_tables.py`` on the zoo, and the metafiles it reads."""

import shutil
import sys

import pytest
import yaml

from cankd_mm.model_zoo.names import parse_name
from tests.commands import ROOT, run_tool, run_unchecked
from tests.test_configs import zoo

TOOL = 'model_zoo_tables.py'
METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))


def test_tables_are_the_committed_ones():
    assert run_tool(TOOL, '--check') == ''


def test_check_fails_on_a_stale_table(tmp_path):
    configs = tmp_path / 'configs'
    shutil.copytree(ROOT / 'configs', configs)
    readme = configs / 'tat' / 'README.md'
    new = readme.read_text()
    readme.write_text(new.replace('not run', '80.00'))
    command = sys.executable, f'tools/{TOOL}', configs
    code, output = run_unchecked(*command, '--check')
    assert code == 1
    assert f'{readme}: the tables are stale: run python tools/{TOOL}' in output
    run_unchecked(*command)
    assert readme.read_text() == new


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_metafiles_say_what_the_configs_do(path):
    metafile = yaml.safe_load(path.read_text())
    (collection,) = metafile['Collections']
    titles = set()
    for entry in metafile['Models']:
        name = parse_name(entry['Name'])
        assert entry['In Collection'] == collection['Name'] == name.method
        metadata = dict(entry['Metadata'])
        assert metadata.pop('Training Data') == name.data_set.title
        titles.add(name.data_set.title)
        train = zoo.read(ROOT / entry['Config']).train_cfg
        if 'max_iters' in train:
            assert metadata == dict(Iterations=train.max_iters)
        else:
            assert metadata == dict(Epochs=train.max_epochs)
    assert set(collection['Metadata']['Training Data']) == titles
