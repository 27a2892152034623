"""What a check says about a config."""

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is.

    An error spoils training or stops it, a warning probably does, an info is
    worth knowing. What is not checked may be either.
    """

    INFO = 0
    NOT_CHECKED = 1
    WARNING = 2
    ERROR = 3

    @property
    def is_fault(self) -> bool:
        """Whether something has to be mended."""
        return self >= Severity.WARNING


@dataclass(frozen=True)
class Finding:
    """One thing that a check noticed.

    Attributes:
        severity: How bad it is.
        key: The config key it stands under.
        found: What the config sets or does there.
        expected: What would be right. Empty where nothing is wrong.
        remedy: How to mend it. Likewise.
    """

    severity: Severity
    key: str
    found: str
    expected: str = ''
    remedy: str = ''

    def __str__(self) -> str:
        """One line, unless what was found has more."""
        text = f'{self.key}: {self.found}'
        if self.expected:
            text += f'; expected {self.expected}'
        if self.remedy:
            text += f'. {self.remedy}'
        return text


def error(key: str, found: str, expected: str = '', remedy: str = ''):
    """A :class:`Finding` that stops a training run."""
    return Finding(Severity.ERROR, key, found, expected, remedy)


def warning(key: str, found: str, expected: str = '', remedy: str = ''):
    """A :class:`Finding` that is logged, and that the tool prints."""
    return Finding(Severity.WARNING, key, found, expected, remedy)


def info(key: str, found: str, expected: str = '', remedy: str = ''):
    """A :class:`Finding` that is logged, and printed if asked for."""
    return Finding(Severity.INFO, key, found, expected, remedy)


def not_checked(key: str, found: str, expected: str = '', remedy: str = ''):
    """A :class:`Finding` about what no check could see, and why."""
    return Finding(Severity.NOT_CHECKED, key, found, expected, remedy)
