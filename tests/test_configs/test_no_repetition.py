"""No two configs say the same: what repeats is a fragment in ``_base_``.

What a file says itself is counted in facts. A fact is a leaf of the file's
own text, together with the keys that lead to it: ``optim_wrapper.optimizer.lr
= 0.01`` is one, and so is a list of numbers or names as a whole. A formula or
a text that is put together counts as it is written.

No facts are

- references: ``_base_.model``, a variable of the file, an entry of either;
- the list of ``_base_`` files, and ``_delete_`` and ``_scope_``, which tell
  MMEngine how to merge and where to look;
- ``model.type`` outside ``_base_``, the word that every pair begins with.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_configs import zoo

WORDS = {'_base_', '_delete_', '_scope_'}
# Two files of which one at least can be run; two fragments.
MOST_SHARED, MOST_SHARED_BY_FRAGMENTS = 1, 5
# These put together a recorder, a loss and a mapping for each stage of a
# ResNet, and differ in the stages.
PER_STAGE = {'lakd_detection', 'lakd_digits', 'lakd_segmentation'}
MOST_SHARED_PER_STAGE = 10
FEWER_LINES_THAN = 25

Fact = tuple[str, str]


def facts(path: Path) -> set[Fact]:
    """What a config says in its own text."""
    return {
        (keys, value)
        for keys, value in statements(ast.parse(path.read_text()))
        if not WORDS & set(keys.split('.'))
        and (keys != 'model.type' or path in zoo.FRAGMENTS)
    }


def statements(module: ast.Module) -> Iterator[Fact]:
    """The facts of ``key = value`` and of ``key.update(key=value)``.

    Raises:
        ValueError: A statement is neither.
    """
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[target], value=value):
                yield from leaves(value, dotted(target))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                yield from leaves(statement.value, dotted(method.value))
            case _:
                raise ValueError(ast.unparse(statement))


def dotted(target: ast.expr) -> str:
    """``a.b[0].c`` as ``a.b.0.c``."""
    return ast.unparse(target).replace('[', '.').replace(']', '')


def leaves(node: ast.expr, keys: str) -> Iterator[Fact]:
    """Every leaf below a value, with the keys that lead to it."""
    match node:
        case ast.Call(args=args, keywords=keywords):
            for value in args:
                yield from leaves(value, keys)
            for keyword in keywords:  # without a name: **reference
                inner = f'{keys}.{keyword.arg}' if keyword.arg else keys
                yield from leaves(keyword.value, inner)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                yield from leaves(value, f'{keys}.{literal(key)}')
        case ast.DictComp():
            yield from leaves(node.value, f'{keys}.{literal(node.key)}')
        case ast.ListComp():
            yield from leaves(node.elt, keys)
        case ast.List(elts=items) if any(
            isinstance(item, ast.Call | ast.Dict) for item in items
        ):
            for index, item in enumerate(items):
                yield from leaves(item, f'{keys}.{index}')
        case ast.Name() | ast.Attribute() | ast.Subscript():
            pass
        case _:
            yield keys, ast.unparse(node)


def literal(key: ast.expr) -> str:
    """A key without its quotes; a key that is put together as it stands."""
    return key.value if isinstance(key, ast.Constant) else ast.unparse(key)


def most_shared(one: Path, other: Path) -> int:
    """How many facts two files may both say."""
    if not {one, other} <= set(zoo.FRAGMENTS):
        return MOST_SHARED
    if {one.stem, other.stem} <= PER_STAGE:
        return MOST_SHARED_PER_STAGE
    return MOST_SHARED_BY_FRAGMENTS


def test_no_two_files_say_the_same():
    said = {path: facts(path) for path in zoo.ALL_FILES}
    repeated = [
        f'{one.name} and {other.name}: {sorted(said[one] & said[other])}'
        for one, other in itertools.combinations(said, 2)
        if len(said[one] & said[other]) > most_shared(one, other)
    ]
    assert not repeated, '\n'.join(repeated)


@pytest.mark.parametrize(
    'path',
    [path for path in zoo.ALL_FILES if zoo.distilled(path)],
    ids=zoo.name,
)
def test_pair_is_short(path):
    lines = [
        line
        for line in path.read_text().splitlines()
        if line and not line.startswith('#')
    ]
    assert len(lines) < FEWER_LINES_THAN


def test_facts_are_leaves_with_their_keys(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        """
_base_ = ['./a.py', './b.py']

width = 8
steps = _base_.schedule[1:]
steps[0].update(end=4, milestones=[3, 4])
steps[0].gamma = 0.5
model = dict(
    _delete_=True,
    type='Pair',
    student=_base_.model,
    head=dict(type='Head', width=width, channels=[width, 2 * width]),
    losses={f'loss_{i}': dict(weight=1 / 3) for i in (1, 2)},
    inherit={'neck.0': 'neck.1'},
    **_base_.rest,
)
hooks = [dict(type='Hook', every=2), dict(type='Other')]
"""
    )
    assert facts(path) == {
        ('width', '8'),
        ('steps.0.end', '4'),
        ('steps.0.milestones', '[3, 4]'),
        ('steps.0.gamma', '0.5'),
        ('model.head.type', "'Head'"),
        ('model.head.channels', '[width, 2 * width]'),
        ("model.losses.f'loss_{i}'.weight", '1 / 3'),
        ('model.inherit.neck.0', "'neck.1'"),
        ('hooks.0.type', "'Hook'"),
        ('hooks.0.every', '2'),
        ('hooks.1.type', "'Other'"),
    }
