import pytest

from cankd_mm.pairing.source_text import Code, Noted, assignment


@pytest.mark.parametrize(
    'value',
    [
        5.0,
        None,
        'text with "quotes" and \'quotes\'',
        (),
        [],
        {},
        ('one',),
        [('a', 1), ('b', 2)],
        {'a.b': 1, 'c': [1, 2]},
        dict(long=['x' * 30, 'y' * 30, 'z' * 30], more=dict(a='q' * 70)),
        tuple('x' * 20 for _ in range(8)),
    ],
)
def test_text_has_the_value(value):
    scope = {}
    exec(assignment('name', value), scope)
    assert scope['name'] == value


def test_comments_stand_beside_values_or_above():
    text = assignment(
        'loss',
        dict(type='A', weight=Noted(5.0, 'the paper'), x=Noted(1, 'y' * 80)),
    )
    assert text.splitlines() == [
        'loss = dict(',
        "    type='A',",
        '    weight=5.0,  # the paper',
        f'    # {"y" * 80}',
        '    x=1,',
        ')',
    ]


def test_code_is_written_as_it_is():
    assert assignment('a', [Code('1 / 3')]) == 'a = [1 / 3]'


def test_lines_are_no_wider_than_a_page():
    value = dict(a=dict(b=dict(c=['word'] * 12, d=dict(e=1, f=2))))
    lines = assignment('name', value).splitlines()
    assert max(map(len, lines)) <= 79
