"""Overrides of a command line keep the spaces of names."""

import argparse

import pytest
from mmengine.config import DictAction

from cankd_mm.utils.config_options import ConfigOptions


def parsed(action, text: str):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=action)
    return parser.parse_args(['--cfg-options', f'key={text}']).cfg_options[
        'key'
    ]


@pytest.mark.parametrize(
    'text, value',
    [
        ('/data/my photos/', '/data/my photos/'),
        ("'/data/my photos/'", '/data/my photos/'),
        ('cat,traffic light', ['cat', 'traffic light']),
        ("('traffic light', 'dog')", ('traffic light', 'dog')),
        ("('car, red', 'dog')", ('car, red', 'dog')),
        ("['a', 'b  c']", ['a', 'b  c']),
        ('(traffic light, dog)', ('traffic light', 'dog')),
    ],
)
def test_spaces_of_names_are_kept(text, value):
    assert parsed(ConfigOptions, text) == value


@pytest.mark.parametrize(
    'text',
    [
        '1',
        '0.5',
        'None',
        'true',
        'cat,',
        '1,2,3',
        '1, 2, 3',
        '[1, 2]',
        '"(64, 64)"',
        '[(1, 2), [a, b], c]',
        "('cat', 'dog')",
        'adam',
    ],
)
def test_other_values_are_what_mmengine_makes_of_them(text):
    found, expected = parsed(ConfigOptions, text), parsed(DictAction, text)
    assert found == expected and type(found) is type(expected)
