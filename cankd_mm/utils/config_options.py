"""Overrides of a config on a command line."""

import ast
import re
from typing import Any

from mmengine.config import DictAction

# A space inside of a value: not at its ends, nor beside a comma or bracket.
_INNER_SPACE = re.compile(r'(?<=[^\s,(\[]) +(?=[^\s,)\]])')
# Stands for it while MMEngine parses, which removes spaces.
_PLACEHOLDER = '\x1f'


class ConfigOptions(DictAction):
    """Parses KEY=VALUE as MMEngine does, and keeps the spaces of names.

    ``data_root=my photos/`` would name the folder ``myphotos`` otherwise.
    """

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        text = val.strip()
        if text[:1] in ('(', '[') and ('"' in text or "'" in text):
            try:  # names in quotation marks may have commas
                return ast.literal_eval(text)
            except (SyntaxError, ValueError):
                pass
        marked = _INNER_SPACE.sub(
            lambda found: _PLACEHOLDER * len(found[0]), text
        )
        return _with_spaces(DictAction._parse_iterable(marked))


def _with_spaces(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_PLACEHOLDER, ' ')
    if isinstance(value, list | tuple):
        return type(value)(_with_spaces(item) for item in value)
    return value
