"""What was found in a data set, and what is to be done."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

#: How many names of a long list are printed.
SHOWN = 5


@dataclass(frozen=True)
class Count:
    """A number of files or objects.

    Attributes:
        what: What was counted.
        found: How many there are.
        official: How many the official release has, where that is known.
    """

    what: str
    found: int
    official: int | None = None


@dataclass(frozen=True)
class Problem:
    """Why the configs cannot use the data, or not all of it.

    Attributes:
        text: What is wrong, with names.
        remedy: What to do about it.
    """

    text: str
    remedy: str


@dataclass
class Report:
    """What a check of a data set found.

    Attributes:
        title: The data set's name.
        root: The folder that was looked at.
        url: The data set's official page; '' for data of a user's own.
        notes: How the data were understood.
        counts: What is there.
        classes: Class names and how many objects each has, where the data
            set's files name them.
        remarks: What was left out or looks wrong, and does not keep the
            configs from using the rest.
        left_out: What the remarks leave out, in short.
        problems: What keeps the configs from using the data.
        converted: How many files were made.
        usage: Config lines that make use of the data.
    """

    title: str
    root: Path
    url: str = ''
    notes: list[str] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)
    left_out: str = ''
    problems: list[Problem] = field(default_factory=list)
    converted: int = 0
    usage: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether the configs can use the data."""
        return not self.problems

    def use_own_classes(self, of: str, classes: Iterable[str]) -> None:
        """Says how the configs train on classes of the data set's own.

        Args:
            of: Which configs, by the data set in their names.
            classes: Their names, in the order they are to be given in.
        """
        self.usage = [
            f'In a config whose _base_ is one of ours for {of}:',
            f"  data_root = '{from_here(self.root)}/'",
            f'  classes = {tuple(classes)}',
        ]

    def count(
        self, what: str, found: int, official: int | None = None
    ) -> None:
        """Notes a number."""
        self.counts.append(Count(what, found, official))

    def note(self, text: str) -> None:
        """Add how something was understood."""
        self.notes.append(text)

    def remark(self, text: str, remedy: str) -> None:
        """Add what the data can be used in spite of, and how to mend it."""
        self.remarks.append(Problem(text, remedy))

    def problem(self, text: str, remedy: str) -> None:
        """Notes an obstacle and how to remove it."""
        self.problems.append(Problem(text, remedy))

    def missing(self, what: str, names: Iterable[str], remedy: str) -> None:
        """Notes files that are missing, if any are.

        Args:
            what: What they are, such as 'images of val2017 are missing'.
            names: The files, relative to the root.
            remedy: What to do about it.
        """
        names = list(names)
        if names:
            self.problem(f'{len(names):,} {what}: {some(names)}', remedy)

    def as_text(self) -> str:
        """The report for people."""
        lines = [f'{self.title} in {self.root}']
        lines += [f'  {note}' for note in self.notes]
        for count in self.counts:
            line = f'  {count.what:42}{count.found:>11,}'
            if count.official not in (None, count.found):
                line += f'   (official release: {count.official:,})'
            lines.append(line)
        if self.classes:
            lines.append(f'  classes: {len(self.classes)}')
            for name, objects in sorted(self.classes.items()):
                lines.append(f'    {name:40}{objects:>11,}')
        if self.converted:
            lines.append(f'  converted now: {self.converted:,} files')
        marked = [('?', item) for item in self.remarks]
        marked += [('!', item) for item in self.problems]
        for mark, item in marked:
            lines += ['', f'  {mark} {item.text}', f'    -> {item.remedy}']
        if self.problems and self.url:
            lines += ['', f'  official page: {self.url}']
        if self.ready and self.usage:
            lines += ['', *self.usage]
        else:
            lines.append('')
        return '\n'.join([*lines, self._verdict()])

    def _verdict(self) -> str:
        if not self.ready:
            return 'Not ready: see ! above.'
        if self.left_out:
            return f'Ready, without {self.left_out}: see ? above.'
        return 'Ready.'

    def as_json(self) -> str:
        """The report for programs."""
        content = dataclasses.asdict(self)
        content.update(root=str(self.root), ready=self.ready)
        return json.dumps(content, indent=2)


def from_here(folder: Path) -> Path:
    """A folder relative to the working directory, where it lies below it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ', '.join(names[:SHOWN])
    more = len(names) - SHOWN
    return f'{shown} and {more:,} more' if more > 0 else shown
