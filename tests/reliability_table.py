"""Counts what the reliability tests tried, and prints it as a table.

A test calls :func:`count`; at the end of any run that has such tests the table
is printed, with the tests that failed among them.
"""

from collections import Counter

_PREFIX = 'tried: '
# What is counted, and the word for a failure.
KINDS = {
    'crash points': 'lost',
    'kills': 'lost',
    'full disks': 'lost',
    'work dirs and resumes': 'lost',
    'payloads': 'executed',
    'bad files': 'silent',
    'bad data': 'silent',
    'non-finite runs': 'silent',
    'fuzz examples': 'silent',
    'ranks': 'different',
    'steps': 'leaked',
}


def count(record_property, kind: str, number: int = 1) -> None:
    """Notes that a test tries something so many times.

    Args:
        record_property: pytest's fixture.
        kind: A key of :data:`KINDS`.
        number: How many times.
    """
    assert kind in KINDS, kind
    record_property(_PREFIX + kind, number)


def table(reports: dict[str, list]) -> list[str]:
    """The lines of the table.

    Args:
        reports: pytest's reports, by outcome.
    """
    tried, failed = Counter(), Counter()
    for outcome in ('passed', 'failed', 'error'):
        for report in reports.get(outcome, []):
            if getattr(report, 'when', None) == 'call':
                for name, number in report.user_properties:
                    if name.startswith(_PREFIX):
                        kind = name.removeprefix(_PREFIX)
                        tried[kind] += number
                        failed[kind] += outcome != 'passed'
    return [
        f'{kind:24}{tried[kind]:>8,}   {word}: {failed[kind]}'
        for kind, word in KINDS.items()
        if tried[kind]
    ]


def pytest_terminal_summary(terminalreporter) -> None:
    """Prints the table, where there is something in it."""
    lines = table(terminalreporter.stats)
    if lines:
        terminalreporter.section('reliability: tried, and failures')
        for line in lines:
            terminalreporter.line(line)
