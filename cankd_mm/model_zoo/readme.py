"""Keeps the READMEs of the zoo up to date."""

from collections.abc import Callable
from pathlib import Path

from cankd_mm.model_zoo.tables import (
    baseline_table,
    distillation_tables,
    read_metafile,
    teacher_table,
)

BEGIN = '<!-- tables: begin (tools/model_zoo_tables.py writes this part) -->'
END = '<!-- tables: end -->'
RENEW = 'python tools/model_zoo_tables.py'


def renew(configs: Path, check: bool = False) -> list[str]:
    """Writes the tables of every folder that has some.

    Args:
        configs: The folder of the zoo.
        check: Change nothing, and report what is out of date. Defaults to
            False.

    Returns:
        What is wrong and how to mend it, a line each.
    """
    found = []
    for folder, tables in _folders(configs).items():
        try:
            found += _renew_readme(folder / 'README.md', tables, check)
            if tables is distillation_tables:
                found += _compare_with_files(folder)
        except ValueError as error:
            found.append(f'{folder}: {error}')
    return found


def _folders(configs: Path) -> dict[Path, Callable[[Path], str]]:
    """The folders that have tables, and what makes them."""
    methods = sorted(path.parent for path in configs.glob('*/metafile.yml'))
    return {
        **dict.fromkeys(methods, distillation_tables),
        configs / 'baselines': baseline_table,
        configs / 'teachers': teacher_table,
    }


def _renew_readme(
    readme: Path, tables: Callable[[Path], str], check: bool
) -> list[str]:
    old = readme.read_text(encoding='utf-8')
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return [f'{readme}: has no lines "{BEGIN}" and "{END}": add them']
    new = f'{before}{BEGIN}\n\n{tables(readme.parent)}\n\n{END}{after}'
    if new == old:
        return []
    if check:
        return [f'{readme}: the tables are stale: run {RENEW}']
    readme.write_text(new, encoding='utf-8')
    return []


def _compare_with_files(folder: Path) -> list[str]:
    """Configs without an entry in the metafile, and the other way round."""
    metafile = folder / 'metafile.yml'
    listed = {Path(entry['Config']).name for entry in read_metafile(folder)}
    files = {path.name for path in folder.glob('*.py')}
    return [
        *(
            f'{metafile}: lists {name}, which does not exist: write it, or '
            'remove the entry'
            for name in sorted(listed - files)
        ),
        *(
            f'{metafile}: does not list {name}: add an entry'
            for name in sorted(files - listed)
        ),
    ]
