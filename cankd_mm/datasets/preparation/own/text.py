"""Reads text files in the encodings that label programs write."""

import codecs
from pathlib import Path

_MARKS = {
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}


def decode_text(content: bytes) -> str:
    """Decode text, without its byte order mark.

    Args:
        content: Text in UTF-8 or UTF-16; anything else is read as Latin 1.

    Returns:
        The text.
    """
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, errors='replace')
    try:
        return content.decode('utf-8')
    except UnicodeDecodeError:
        return content.decode('latin-1')


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file, without spaces around them.

    Args:
        path: The file.

    Returns:
        All lines, empty ones included.

    Raises:
        OSError: It cannot be read.
    """
    # Not str.splitlines(), which also splits at characters that names have.
    text = decode_text(path.read_bytes()).replace('\r\n', '\n')
    lines = [line.strip() for line in text.replace('\r', '\n').split('\n')]
    return lines[:-1] if lines[-1] == '' else lines
