"""Every hook and optimizer constructor treats a distilled student alike."""

from pathlib import Path

import pytest

from tests.tried import constructors, hooks, table
from tests.tried.runs import differences

CASES = [*hooks.CASES, *constructors.CASES]
EXCEPTIONS = {**hooks.EXCEPTIONS, **constructors.EXCEPTIONS}


@pytest.mark.parametrize('kind', table.KINDS)
def test_every_registered_component_is_classified_once(kind):
    tried = table.KINDS[kind]
    classified = [case.name for case in tried.CASES] + list(tried.EXCEPTIONS)
    assert sorted(classified) == sorted(table.registered(kind))


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.name)
def test_it_trains_the_same_student(case):
    assert differences(case) == []


def test_the_documented_table():
    page = Path(__file__).parents[2] / 'docs/compatibility.md'
    expected = {
        table.row(case.name, table.expected(case)) for case in CASES
    } | {
        table.row(name, f'not tried: {why}')
        for name, why in EXCEPTIONS.items()
    }
    rows = set(page.read_text().splitlines())
    assert expected <= rows
