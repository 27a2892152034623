"""Every hook and optimizer constructor treats a distilled student alike."""

import pytest

from tests import tried_components as tried


@pytest.mark.parametrize(
    ('kind', 'known'),
    [
        ('HOOKS', [tried.HOOKS, tried.NO_HOOKS, tried.NOT_TRIED]),
        (
            'OPTIM_WRAPPER_CONSTRUCTORS',
            [
                tried.CONSTRUCTORS,
                tried.NO_CONSTRUCTORS,
                tried.CONSTRUCTORS_NOT_TRIED,
            ],
        ),
    ],
)
def test_every_registered_component_is_classified_once(kind, known):
    classified = [name for names in known for name in names]
    assert sorted(classified) == sorted(tried.registered(kind))


@pytest.mark.parametrize('name', tried.HOOKS)
def test_a_hook_trains_the_same_student(name):
    assert tried.differences(tried.HOOKS[name], hook=True) == []


@pytest.mark.parametrize('name', tried.CONSTRUCTORS)
def test_a_constructor_trains_the_same_student(name):
    assert tried.differences(tried.CONSTRUCTORS[name], hook=False) == []
