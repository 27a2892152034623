"""Makes findings of what failed while something was built."""

import inspect
import re
from collections.abc import Callable
from difflib import get_close_matches

from mmengine.registry import Registry

from cankd_mm.config_checks.finding import Finding, Severity

# How the messages of this package begin: `model.teacher_ckpt='a.pth': ...`.
_KEY = re.compile(r'^(?P<key>model(?:\.\w+|\[\d+\])+)(?:: |(?P<rest>[= ]))')
_ARGUMENT = re.compile(r"unexpected keyword argument '(\w+)'")
_TYPE = re.compile(r'^(\S+) is not in the')


def as_finding(severity: Severity, text: str, key: str) -> Finding:
    """Make a finding of an error's message.

    Args:
        severity: How bad it is.
        text: The message. It may begin with a config key.
        key: The config key if it does not.
    """
    text = text.strip()
    match = _KEY.match(text)
    if match is None:
        return Finding(severity, key, text)
    found = text[match.end() :]
    return Finding(severity, match['key'], found)


def named(failure: BaseException) -> str:
    """Return an error's message, after its type if that says something."""
    text = _message(failure) or 'no message'
    if isinstance(failure, ValueError):
        return text
    return f'{type(failure).__name__}: {text}'


def _message(failure: BaseException) -> str:
    # A KeyError quotes its message.
    is_quoted = isinstance(failure, KeyError) and failure.args
    text = str(failure.args[0] if is_quoted else failure)
    return re.sub(r'[ \t]{2,}', ' ', text)


def suggestion(
    failure: BaseException,
    kind: Callable | None = None,
    registry: Registry | None = None,
) -> str:
    """Return the name that was meant by one that is not known.

    Args:
        failure: What building something failed with.
        kind: Its class, if an argument may be misspelt.
        registry: Where its type was looked up, if that may be.

    Returns:
        A sentence, or '' where no known name is close.
    """
    text = _message(failure)
    known: list[str] = []
    match = _ARGUMENT.search(text)
    if match and kind is not None:
        known = arguments_of(kind)
    elif (match := _TYPE.search(text)) and registry is not None:
        known = registered(registry)
    return did_you_mean(match[1], known) if match else ''


def did_you_mean(name: str, known: list[str]) -> str:
    """Return a question for the closest name, or ''."""
    close = get_close_matches(str(name).rpartition('.')[2], known, 1)
    return f'Did you mean {close[0]!r}?' if close else ''


def arguments_of(kind: Callable) -> list[str]:
    """Names of the arguments that a class, or its bases, are built with."""
    kinds = kind.__mro__ if isinstance(kind, type) else [kind]
    return [
        name
        for base in kinds
        if base is not object
        for name in inspect.signature(base).parameters
        if name not in ('self', 'args', 'kwargs')
    ]


def registered(registry: Registry) -> list[str]:
    """Names in a registry, its children and its parents."""
    while registry.parent is not None:
        registry = registry.parent
    names: list[str] = []
    pending = [registry]
    while pending:
        registry = pending.pop()
        names += registry.module_dict
        pending += registry.children.values()
    return names
