"""Names in messages."""

import pytest

from cankd_mm.datasets.inspection.names import closest, listed


@pytest.mark.parametrize(
    'found, classes, expected',
    [
        ('Traffic-Light', ('light', 'traffic light'), 'traffic light'),
        ('PERSON', ('car', 'person'), 'person'),
        ('motorbike', ('motorcycle', 'bicycle'), 'motorcycle'),
        ('zebra', ('car', 'person'), None),
        ('', ('car',), None),
    ],
)
def test_closest_name(found, classes, expected):
    assert closest([found], classes).get(found) == expected


def test_counts_are_shown_and_long_lists_cut():
    assert listed({'a': 1234, 'b': 0}) == "'a' (1,234), 'b' (0)"
    assert listed(map(str, range(15))).endswith("'11', and 3 more")
    assert listed([]) == 'none'
