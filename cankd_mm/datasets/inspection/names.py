"""Lists of names in messages, and which of them were meant."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

#: How many names of a list a message shows.
SHOWN = 12


def listed(names: Iterable[str]) -> str:
    """Return names in quotes; long lists are cut.

    Args:
        names: Names, or a mapping of names to counts, which are shown too.
    """
    counts = names if isinstance(names, Mapping) else {}
    names = list(names)
    shown = [
        repr(name) + (f' ({counts[name]:,})' if name in counts else '')
        for name in names[:SHOWN]
    ]
    if len(names) > SHOWN:
        shown.append(f'and {len(names) - SHOWN} more')
    return ', '.join(shown) or 'none'


def closest(names: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """Return the closest of other names for each name that has one.

    Args:
        names: What to find matches for.
        others: What to find them in. Case, blanks, ``_`` and ``-`` do not
            count.
    """
    by_form = {_form(other): other for other in others}
    found = {}
    for name in names:
        matches = get_close_matches(_form(name), by_form, 1)
        if matches:
            found[name] = by_form[matches[0]]
    return found


def matches_listed(names: Iterable[str], others: Iterable[str]) -> str:
    """Return the closest matches in words; '' without any."""
    pairs = closest(names, others).items()
    shown = [f'{name!r} -> {other!r}' for name, other in pairs]
    if len(shown) > SHOWN:
        shown[SHOWN:] = [f'and {len(shown) - SHOWN} more']
    return ', '.join(shown)


def _form(name: str) -> str:
    return ''.join(c for c in str(name).lower() if c not in ' _-')
