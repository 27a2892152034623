"""The records of a run, as a file and as a table."""

import json
import re
from collections import Counter
from importlib.metadata import packages_distributions, version
from pathlib import Path

from tests.families.faults import TRAINS, outcome

BEGIN, END = '<!-- begin of the table -->', '<!-- end of the table -->'
_HEADER = (
    '| family | config | recorder | plain student | distilled student '
    '| fault | error |\n|---|---|---|---|---|---|---|'
)
_LIBRARIES = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmrazor')
_ERROR_LENGTH = 140
_FOLDERS = re.compile(r"/[^\s\"']*/site-packages/")


def load(file: Path) -> dict[str, dict]:
    """The records of an earlier run, by family."""
    if not file.exists():
        return {}
    records = json.loads(file.read_text())['records']
    return {record['family']: record for record in records}


def save(file: Path, records: dict[str, dict]) -> None:
    """Write all records, whole or not at all."""
    new = file.with_name(file.name + '.new')
    content = dict(
        versions=versions(),
        records=[records[name] for name in sorted(records)],
    )
    new.write_text(json.dumps(content, indent=1))
    new.replace(file)


def versions() -> dict[str, str]:
    """The libraries that were tried."""
    distributions = packages_distributions()
    return {
        name: f'{distributions[name][0]} {version(distributions[name][0])}'
        for name in _LIBRARIES
        if name in distributions
    }


def summary(records: dict[str, dict]) -> str:
    """One line of counts."""
    found = [outcome(record) for record in records.values()]
    counts = Counter(o.fault for o in found if o.result != TRAINS)
    failures = ', '.join(
        f'{fault}: {count}' for fault, count in sorted(counts.items())
    )
    trains = sum(o.result == TRAINS for o in found)
    return f'{len(found)} families: {trains} train; {failures or "no failure"}'


def line(record: dict) -> str:
    """What came out, while others are still tried."""
    result, fault, error = outcome(record)
    return f'{result} {fault} {error[:200]}'


def cell(text: str) -> str:
    """Text for a cell: short, and nothing of the machine of the run."""
    text = _FOLDERS.sub('.../', text.partition(', the current sys')[0])
    # A cell ends at a bar, and `<` begins a tag.
    return text.replace('|', '\\|').replace('<', '&lt;')[:_ERROR_LENGTH]


def row(record: dict) -> str:
    """One row of the table."""
    result, fault, error = outcome(record)
    cells = (
        record['family'],
        record['config'].rpartition('/')[2].removesuffix('.py'),
        f'`{record["recorder"]}`' if record['recorder'] else '-',
        _stages(record, 'plain'),
        _distilled(record, result),
        fault or '-',
        cell(error) or '-',
    )
    return f'| {" | ".join(cells)} |'


def _distilled(record: dict, result: str) -> str:
    if result == TRAINS:
        return TRAINS
    # Where the plain student cannot be built, for instance.
    return f'fails: {result}' if record['distilled'] else 'not tried'


def _stages(record: dict, role: str) -> str:
    stages = record[role]
    failed = [stage for stage, error in stages.items() if error != 'ok']
    if not stages:
        return '-'
    return f'fails: {", ".join(failed)}' if failed else TRAINS


def table(records: dict[str, dict]) -> str:
    """Summary and table."""
    rows = [row(records[name]) for name in sorted(records)]
    installed = ', '.join(versions().values())
    return '\n'.join(
        [f'{summary(records)}.', '', f'{installed}.', '', _HEADER, *rows]
    )


def write_page(file: Path, text: str) -> None:
    """Put a table between the marks of a page, or write it by itself."""
    page = file.read_text() if file.exists() else ''
    if BEGIN not in page:
        file.write_text(f'{text}\n')
        return
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    file.write_text(f'{head}{BEGIN}\n{text}\n{END}{tail}')
