"""What is wrong with single files, lines and objects, collected by kind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cankd_mm.datasets.preparation.report import Report, some


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        noun: What has the fault, in the singular.
        text: What follows the number and the noun.
        remedy: What to do about it.
        left_out: Whether it is left out because of the fault.
    """

    noun: str
    text: str
    remedy: str
    left_out: bool = False


class CannotPrepareError(ValueError):
    """Data cannot be prepared.

    Args:
        text: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


class Faults:
    """Names of what is faulty, by the kind of the fault."""

    def __init__(self) -> None:
        self._names: dict[Kind, list[str]] = {}

    def add(self, kind: Kind, name: str) -> None:
        """Add one.

        Args:
            kind: What is wrong.
            name: What has the fault: a file, a line of a file, ...
        """
        self._names.setdefault(kind, []).append(name)

    def extend(self, kind: Kind, names: Iterable[str]) -> None:
        """Add several of a kind."""
        for name in names:
            self.add(kind, name)

    def update(self, other: 'Faults') -> None:
        """Add what was collected elsewhere."""
        for kind, names in other._names.items():
            self.extend(kind, names)

    def write_to(self, report: Report) -> None:
        """Add a remark for each kind, first what is left out.

        Args:
            report: Where the remarks are added.
        """
        lost = Counter()
        for kind in sorted(self._names, key=lambda kind: not kind.left_out):
            names = self._names[kind]
            things = counted(len(names), kind.noun)
            report.remark(f'{things} {kind.text}: {some(names)}', kind.remedy)
            lost[kind.noun] += kind.left_out * len(names)
        parts = [counted(lost[noun], noun) for noun in lost if lost[noun]]
        report.left_out = _enumerated(parts)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as '3 images'.

    Args:
        number: How many.
        noun: Of what, in the singular.
    """
    return f'{number:,} {noun}{"" if number == 1 else "s"}'


def _enumerated(parts: list[str]) -> str:
    *first, last = parts or ['']
    return f'{", ".join(first)} and {last}' if first else last
