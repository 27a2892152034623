"""Reads the config text of a checkpoint as data.

MMEngine writes a run's config into every checkpoint as Python text. Executing
that text runs whatever the author of the file put there, so it is parsed here
instead: literals, and calls of ``dict`` with keywords, which is what
``Config.pretty_text`` writes.
"""

import ast
import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

# Ten times the text of a config with the 1,203 class names of LVIS.
_MAX_CHARACTERS = 2_000_000
# The deepest configs of MMDetection nest 15 levels.
_MAX_DEPTH = 100
# Far above, since brackets in strings count, and far below what exhausts the C
# stack of a parser: a process may have a recursion limit that allows that.
_MAX_OPEN_BRACKETS = 1_000
# How `str` writes floats that have no literal.
_NAMES = {'inf': math.inf, 'nan': math.nan}
_REMEDY = (
    'The config text of a checkpoint is read and never executed, so it may '
    'only hold assignments of literals and of dict(...). If you trust the '
    'text, write it to a file and give that file as the config (`model` of an '
    'inferencer, Config.fromfile)'
)


class ConfigTextError(ValueError):
    """A config text holds more than data, or is no config."""


def parse_config_text(
    text: str, source: str, file_format: str = '.py'
) -> Config:
    """Parse a config text; nothing of it is executed, imported or opened.

    ``{{ variables }}`` stay as they are, and modules that ``custom_imports``
    lists are not imported: a warning names the missing ones.

    Args:
        text: What ``Config.pretty_text`` or ``Config.dump`` writes.
        source: Where the text comes from, for messages.
        file_format: '.py', '.json', '.yaml' or '.yml'.

    Raises:
        ConfigTextError: The text holds anything but literals and calls of
            ``dict``, or is no config. The message names source and line.
        OSError: Another ``file_format``, as ``Config.fromstring`` raises.
    """
    if file_format not in _PARSERS:
        raise OSError('Only py/yml/yaml/json type are supported now!')
    if not isinstance(text, str):
        raise ConfigTextError(
            f'{source}: found a {type(text).__name__}, expected the text of a '
            f'config. {_REMEDY}'
        )
    if len(text) > _MAX_CHARACTERS:
        raise ConfigTextError(
            f'{source}: found {len(text):,} characters, expected at most '
            f'{_MAX_CHARACTERS:,}. {_REMEDY}'
        )
    try:
        _check_brackets(text)
        content = _PARSERS[file_format](text)
        _check_depth(content)
    except _NotData as error:
        raise ConfigTextError(f'{source}, {error}. {_REMEDY}') from None
    except (RecursionError, MemoryError) as error:
        raise ConfigTextError(
            f'{source}: found text that is nested too deeply '
            f'({type(error).__name__}), expected at most {_MAX_DEPTH} levels. '
            f'{_REMEDY}'
        ) from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, 'lineno', None)
        reason = getattr(error, 'msg', None) or str(error).splitlines()[0]
        raise ConfigTextError(
            f'{source}{f", line {line}" if line else ""}: found text that is '
            f'no config ({reason}). {_REMEDY}'
        ) from None
    _check_keys(content, source)
    _warn_of_imports(content.get('custom_imports'), source)
    return Config(content, cfg_text=text)


def text_of_config(config: Config) -> str:
    """Write a config as a text that :func:`parse_config_text` reads.

    ``Config.pretty_text`` is laid out for readers, which takes a second.

    Raises:
        ConfigTextError: The config holds more than data.
    """
    text = '\n'.join(
        f'{key} = {value!r}' for key, value in config.to_dict().items()
    )
    parse_config_text(text, 'config')
    return text


class _NotData(Exception):
    """A construct that would have to be executed."""

    def __init__(self, node: ast.AST, what: str) -> None:
        super().__init__(f'line {getattr(node, "lineno", "?")}: found {what}')


def _check_keys(content: Any, source: str) -> None:
    if not isinstance(content, dict) or not all(
        isinstance(key, str) for key in content
    ):
        raise ConfigTextError(
            f'{source}: found no mapping from names to values. {_REMEDY}'
        )
    if '_base_' in content:
        raise ConfigTextError(
            f'{source}: found `_base_`={content["_base_"]!r:.80}, but no '
            f'other file is read for a checkpoint. {_REMEDY}'
        )
    reserved = {'filename', 'text', 'pretty_text', 'env_variables'}
    for key in reserved & content.keys():
        raise ConfigTextError(
            f'{source}: found the key {key!r}, which MMEngine reserves. '
            f'{_REMEDY}'
        )


def _check_brackets(text: str) -> None:
    steps = (1 if b in '([{' else -1 for b in re.findall(r'[][(){}]', text))
    if max(accumulate(steps), default=0) > _MAX_OPEN_BRACKETS:
        raise RecursionError


def _check_depth(content: Any) -> None:
    level, rest = 0, [content]
    while rest:
        level += 1
        if level > _MAX_DEPTH:
            raise RecursionError
        rest = [
            item
            for value in rest
            for item in _items(value)
            if isinstance(item, dict | list | tuple)
        ]


def _items(value: Any) -> Iterator[Any]:
    return iter(value.values() if isinstance(value, dict) else value)


def _warn_of_imports(custom_imports: Any, source: str) -> None:
    names = (
        custom_imports.get('imports')
        if isinstance(custom_imports, dict)
        else custom_imports
    )
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple):
        return
    missing = [
        name
        for name in names
        if isinstance(name, str) and name not in sys.modules
    ]
    if missing:
        print_log(
            f'{source}: custom_imports of a checkpoint are not carried out. '
            'If its types are needed and you trust these modules, import '
            f'them first: {", ".join(missing)}',
            logger='current',
            level=logging.WARNING,
        )


# -------------------------------------------------------------------- Python


def _parse_python(text: str) -> dict[str, Any]:
    content = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if not name.startswith('__'):
                    content[name] = _value(value, _MAX_DEPTH)
            case _:
                raise _NotData(statement, _described(statement))
    return content


def _value(node: ast.expr, depth: int) -> Any:
    """The value of an expression that needs no execution."""
    if depth <= 0:
        raise RecursionError

    def inner(item: ast.expr) -> Any:
        return _value(item, depth - 1)

    match node:
        case ast.Constant(value=value) if value is not ...:
            return value
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _signed(node, operand)
        case ast.List(elts=items):
            return [inner(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple([inner(item) for item in items])
        case ast.Set(elts=items):
            return {_hashable(item, inner(item)) for item in items}
        case ast.Dict(keys=keys, values=values):
            return _mapping(keys, values, inner)
        case ast.Call(func=ast.Name(id='set'), args=[], keywords=[]):
            return set()
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=keywords):
            return _keywords(node, keywords, inner)
        # What `pretty_text` writes for keys that are no identifiers.
        case ast.Call(
            func=ast.Name(id='dict'), args=[ast.Dict() as mapping], keywords=[]
        ):
            return inner(mapping)
    raise _NotData(node, _described(node))


def _signed(node: ast.UnaryOp, operand: ast.expr) -> int | float | complex:
    match operand:
        case ast.Constant(value=int() | float() | complex() as number):
            pass
        case ast.Name(id=name) if name in _NAMES:
            number = _NAMES[name]
        case _:
            raise _NotData(node, _described(node))
    return -number if isinstance(node.op, ast.USub) else +number


def _mapping(
    keys: list[ast.expr | None],
    values: list[ast.expr],
    inner: Callable[[ast.expr], Any],
) -> dict:
    found = {}
    for key, value in zip(keys, values, strict=True):
        if key is None:  # **{...}
            found.update(_unpacked(value, inner))
        else:
            found[_hashable(key, inner(key))] = inner(value)
    return found


def _keywords(
    node: ast.Call,
    keywords: list[ast.keyword],
    inner: Callable[[ast.expr], Any],
) -> dict:
    found = {}
    for keyword in keywords:
        if keyword.arg is None:
            more = _unpacked(keyword.value, inner)
        else:
            more = {keyword.arg: inner(keyword.value)}
        for key in found.keys() & more.keys():
            raise _NotData(node, f'the keyword {key!r} twice in one dict(...)')
        found.update(more)
    return found


def _unpacked(node: ast.expr, inner: Callable[[ast.expr], Any]) -> dict:
    value = inner(node)
    if not isinstance(value, dict):
        raise _NotData(node, f'`**` of a {type(value).__name__}')
    return value


def _hashable(node: ast.expr, value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        raise _NotData(
            node, f'a {type(value).__name__} as a key or in a set'
        ) from None
    return value


def _described(node: ast.AST) -> str:
    """What a construct is, and how it starts."""
    kind = _KINDS.get(type(node), type(node).__name__)
    if isinstance(node, ast.Call):
        kind = 'a call other than dict(key=value)'
    try:
        start = ast.unparse(node).splitlines()[0]
    except (RecursionError, ValueError):
        return kind
    if len(start) > 80:
        start = f'{start[:77]}...'
    return f'{kind}, `{start}`'


_KINDS = {
    ast.Import: 'an import',
    ast.ImportFrom: 'an import',
    ast.Attribute: 'an attribute',
    ast.Subscript: 'a subscript',
    ast.JoinedStr: 'an f-string',
    ast.ListComp: 'a comprehension',
    ast.SetComp: 'a comprehension',
    ast.DictComp: 'a comprehension',
    ast.GeneratorExp: 'a comprehension',
    ast.Lambda: 'a lambda',
    ast.BinOp: 'an operator',
    ast.BoolOp: 'an operator',
    ast.UnaryOp: 'an operator',
    ast.Compare: 'an operator',
    ast.IfExp: 'a condition',
    ast.If: 'a condition',
    ast.NamedExpr: 'an assignment in an expression',
    ast.Constant: 'an ellipsis',
    ast.Name: 'the name of a variable',
    ast.Starred: 'an unpacked value',
    ast.FunctionDef: 'a function',
    ast.AsyncFunctionDef: 'a function',
    ast.ClassDef: 'a class',
    ast.With: 'a with statement',
    ast.For: 'a loop',
    ast.While: 'a loop',
    ast.Try: 'a try statement',
    ast.Delete: 'a del statement',
    ast.Assign: 'an assignment to something else than one name',
    ast.AugAssign: 'an assignment with an operator',
    ast.AnnAssign: 'an assignment with an annotation',
    ast.Expr: 'an expression without a name',
}


# -------------------------------------------------------------- JSON and YAML


def _parse_yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Builds plain values, and tuples, which configs are full of."""

        def compose_node(self, parent, index):
            # A few lines of aliases of aliases fill any memory.
            if self.check_event(yaml.AliasEvent):
                raise ValueError('aliases are not supported')
            return super().compose_node(parent, index)

    def build_tuple(loader, node):
        return tuple(loader.construct_sequence(node, deep=True))

    Loader.add_constructor('tag:yaml.org,2002:python/tuple', build_tuple)
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(' '.join(str(error).split())) from error


_PARSERS: dict[str, Callable[[str], Any]] = {
    '.py': _parse_python,
    '.json': json.loads,
    '.yaml': _parse_yaml,
    '.yml': _parse_yaml,
}
