"""No two configs say the same: what repeats is a fragment in ``_base_``.

What a file says itself is counted in facts. A fact is a leaf of the file's
own text, together with the path of keys that leads to it:
``optim_wrapper.optimizer.lr = 0.01`` is one, and so is a whole list of
numbers or names. A formula or a text that is put together counts as it is
written.

No facts are: names (``_base_.model``, a variable of the file), the list of
``_base_`` files, ``_delete_`` and ``_scope_``, which only tell MMEngine how
to merge and where to look, and ``model.type`` outside ``_base_``, the word
that a pair begins with.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_configs import zoo

WORDS = ('_base_', '_delete_', '_scope_')
# Pairs that another file of the same folder carries on are few lines long.
MOST_LINES = 25

Fact = tuple[str, str]


def facts(path: Path) -> set[Fact]:
    """What a config says in its own text."""
    return {
        (keys, value)
        for keys, value in statements(ast.parse(path.read_text()))
        if not set(keys.split('.')) & set(WORDS)
        and (keys != 'model.type' or '_base_' in path.parts)
    }


def statements(module: ast.Module) -> Iterator[Fact]:
    """The facts of ``key = value`` and of ``key.update(value)``."""
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[target], value=value):
                yield from leaves(value, ast.unparse(target))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                keys = ast.unparse(method.value)
                yield from leaves(statement.value, keys)
            case ast.Expr(value=ast.Constant()):
                pass  # a docstring
            case _:
                raise AssertionError(
                    f'line {statement.lineno}: a config assigns and updates, '
                    f'found {ast.unparse(statement)}'
                )


def leaves(node: ast.expr, keys: str) -> Iterator[Fact]:
    """Every leaf below a value, with the keys that lead to it."""
    match node:
        case ast.Call(args=args, keywords=keywords):
            for value in args:
                yield from leaves(value, keys)
            for word in keywords:
                inner = f'{keys}.{word.arg}' if word.arg else keys
                yield from leaves(word.value, inner)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                inner = f'{keys}.{key and ast.unparse(key)}'
                yield from leaves(value, inner)
        case ast.DictComp():
            yield from leaves(node.value, f'{keys}.{ast.unparse(node.key)}')
        case ast.ListComp():
            yield from leaves(node.elt, keys)
        case ast.List(elts=items) | ast.Tuple(elts=items) if any(
            isinstance(item, ast.Call | ast.Dict | ast.List) for item in items
        ):
            for index, item in enumerate(items):
                yield from leaves(item, f'{keys}.{index}')
        case ast.Name() | ast.Attribute() | ast.Subscript():
            pass  # refers to what is said elsewhere
        case _:
            yield keys, ast.unparse(node)
