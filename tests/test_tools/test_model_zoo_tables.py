"""``tools/model_zoo_tables.py`` on the zoo, and the metafiles it reads."""

import shutil

import pytest
import yaml

from cankd_mm.model_zoo.names import parse_name
from tests.commands import ROOT, run_tool
from tests.forked_tools import fork_tool_unchecked

TOOL = 'model_zoo_tables.py'
METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))


def test_tables_are_the_committed_ones():
    assert run_tool(TOOL, '--check') == ''


def test_check_fails_on_a_stale_table(tmp_path):
    configs = tmp_path / 'configs'
    shutil.copytree(ROOT / 'configs', configs)
    readme = configs / 'tat' / 'README.md'
    readme.write_text(readme.read_text().replace('not run', '80.00'))
    code, output = fork_tool_unchecked(TOOL, configs, '--check')
    assert code == 1
    assert f'{readme}: the tables are stale: run python tools/{TOOL}' in output


def length(name: str) -> dict[str, int]:
    """The schedule of a name; that it is the config's, the zoo's tests say."""
    *_, schedule, data_set = name.split('_')
    number, unit = int(schedule[:-1]), schedule[-1]
    if unit == 'k':
        return dict(Iterations=1000 * number)
    # Where 1x is not 12 epochs, as many repeats of the images make up for it.
    multiple = 4 if data_set == 'voc0712' else 12
    return dict(Epochs=number * multiple if unit == 'x' else number)


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_metafiles_say_what_the_names_do(path):
    metafile = yaml.safe_load(path.read_text())
    (collection,) = metafile['Collections']
    titles = set()
    for entry in metafile['Models']:
        name = parse_name(entry['Name'])
        assert entry['In Collection'] == collection['Name'] == name.method
        metadata = dict(entry['Metadata'])
        assert metadata.pop('Training Data') == name.data_set.title
        titles.add(name.data_set.title)
        assert metadata == length(entry['Name'])
    assert set(collection['Metadata']['Training Data']) == titles
