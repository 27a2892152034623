"""What is found inside a config."""

import pytest

from cankd_mm.utils.config_walk import data_sets, dicts

PIPELINE = [dict(type='Load', to_float32=True)]
INNER = [
    dict(type='VOCDataset', data_root='data/', pipeline=PIPELINE),
    dict(type='VOCDataset', ann_file='trainval.txt'),
]


def test_dicts_come_with_their_keys_the_outer_ones_first():
    config = dict(a=dict(b=[dict(c=1), 2]), d=3)
    assert [key for key, _ in dicts(config)] == ['', 'a', 'a.b.0']


@pytest.mark.parametrize(
    'wrapper, keys',
    [
        (dict(type='Concat', datasets=INNER), ['datasets.0', 'datasets.1']),
        (dict(type='Repeat', times=3, dataset=INNER[0]), ['dataset']),
        # What mixes images has a pipeline of its own.
        (dict(type='Mix', dataset=INNER[1], pipeline=PIPELINE), ['dataset']),
        (INNER[0], ['']),
        (dict(sampler=dict(type='InfiniteSampler')), []),
        (None, []),
    ],
    ids=['several', 'repeated', 'mixed', 'alone', 'none', 'nothing'],
)
def test_data_sets_are_found_and_not_what_is_around_them(wrapper, keys):
    found = dict(data_sets(wrapper))
    assert list(found) == keys
    assert all(data in INNER for data in found.values())
