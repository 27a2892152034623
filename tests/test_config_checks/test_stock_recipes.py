"""Recipes of mmdet and mmseg, of every family, are without a fault."""

import random
import re

import pytest

from tests.families.catalog import Family, families

_PER_FAMILY = 2
_SMALLEST_NUMBER = 150
#: Families with recipes that have a fault, and what is found.
FAULTY = {
    # CascadeRPNHead takes a class count that the recipe does not give.
    'mmdet/cascade_rpn': "missing 1 required positional argument: 'num_class",
    # A misspelt `MOTChallengeMetric`.
    'mmdet/bytetrack': "'MOTChallengeMetrics'; expected a registered metric",
    # 32 images on each GPU, and a base that has 16 on eight.
    'mmdet/rtmdet': 'base_batch_size: 16, but on any number of GPUs',
    # Weights that a user has to bring.
    'mmdet/selfsup_pretrain': "'./swav_800ep_pretrain.pth.tar': there is no",
}
# What the recipe reads cannot be there: a package, another recipe by a path
# of mmdet's checkout, a data set's own file.
_UNREADABLE = re.compile(
    r'[Ff]ailed to import custom modules|does not exist|No such file'
)


def recipes(family: Family) -> list[str]:
    """The typical recipe of a family, and others that are always the same."""
    others = sorted(
        file.name
        for file in family.config.parent.glob('*.py')
        if file != family.config and not file.stem.endswith('_tta')
    )
    random.Random(family.name).shuffle(others)
    names = [family.config.name, *others[: _PER_FAMILY - 1]]
    return [f'{family.package}::{family.folder}/{name}' for name in names]


ALL = [
    pytest.param(family.name, path, id=path)
    for family in families()
    for path in recipes(family)
]


def test_there_are_many():
    assert len(ALL) > _SMALLEST_NUMBER


@pytest.mark.slow
@pytest.mark.parametrize('family, path', ALL)
def test_recipe_is_without_a_fault(family, path, check_config, capsys):
    code = check_config([path])
    output = capsys.readouterr().out
    if code == 2 and _UNREADABLE.search(output):
        pytest.skip(output)
    if code == 1 and family in FAULTY:
        assert FAULTY[family] in output
        assert output.splitlines()[-1].startswith('1 config checked, 1 fault')
        return
    assert code == 0, output
    assert 'could not be made' not in output
