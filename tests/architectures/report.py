"""The records of a run as a table."""

from collections import Counter

from tests.families import faults
from tests.families.report import cell, versions

METHODS = ('cankd', 'tat', 'lakd', 'cskd')
_HEADER = (
    f'| family | config | {" | ".join(METHODS)} | without a method |\n'
    f'|---|---|{"---|" * len(METHODS)}---|'
)


def reason(record: dict) -> str:
    """Why a family could not be tried, or ''."""
    if record['family'] in faults.NOT_APPLICABLE:
        why = faults.NOT_APPLICABLE[record['family']]
        return f'not applicable: {why}'
    error = record['config_error']
    if not error and record['plain'] not in ('', 'ok'):
        error = f'plain student: {record["plain"]}'
    package = faults.missing_package(error)
    return f'needs {package}' if package else error


def cells(record: dict) -> dict[str, str]:
    """The outcome of each method that was tried."""
    found = dict(record['cells'])
    ended, running = record.get('ended', ''), record.get('running', '')
    if ended and running:
        found[running] = f'failed: {ended}'
    return found


def line(record: dict) -> str:
    """What came out, while others are still tried."""
    found = (f'{name}: {cell[:150]}' for name, cell in cells(record).items())
    return reason(record) or ', '.join(found) or record.get('ended', '')


def summary(records: dict[str, dict]) -> str:
    """One line of counts."""
    found = [c for record in records.values() for c in cells(record).values()]
    counts = Counter(c.partition(':')[0].partition(' ')[0] for c in found)
    others = sum(c.startswith('ok (') for c in found)
    not_tried = Counter(
        _kind(why) for record in records.values() if (why := reason(record))
    )
    text = (
        f'{len(records)} families, {len(found)} cells: {counts["ok"]} ok '
        f'({others} with a teacher of another family), '
        f'{counts["refused"]} refused, {counts["failed"]} failed'
    )
    if not_tried:
        kinds = ', '.join(f'{k}: {n}' for k, n in sorted(not_tried.items()))
        text += f'; without a method: {kinds}'
    return text


def _kind(why: str) -> str:
    if why.startswith('needs '):
        return why
    known = ('not applicable', 'plain student')
    return next((k for k in known if why.startswith(k)), 'config')


def row(record: dict) -> str:
    """One row of the table."""
    found = cells(record)
    columns = (
        record['family'],
        record['config'].rpartition('/')[2].removesuffix('.py'),
        *(cell(found.get(method, '-')) for method in METHODS),
        cell(reason(record)) or '-',
    )
    return f'| {" | ".join(columns)} |'


def table(records: dict[str, dict]) -> str:
    """Counts, versions and table."""
    rows = [row(records[name]) for name in sorted(records)]
    installed = ', '.join(versions().values())
    return '\n'.join(
        [f'{summary(records)}.', '', f'{installed}.', '', _HEADER, *rows]
    )
