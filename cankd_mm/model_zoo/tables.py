"""The tables of the zoo, in Markdown."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from mmengine.config import Config

from cankd_mm.model_zoo.names import (
    DATA_SETS,
    DETECTION,
    SEGMENTATION,
    ConfigName,
    parse_name,
)

TASKS = {DETECTION: 'Detection', SEGMENTATION: 'Segmentation'}
PAPER = ('Teacher', 'Student', 'Distilled')
MISSING = '–'
NOT_RUN = 'not run'


def distillation_tables(folder: Path) -> str:
    """A table for each task of a method, and the commands of its rows.

    Args:
        folder: A folder with a ``metafile.yml``. An entry's ``Results`` are
            what was reached here, its ``Paper Results`` what the authors
            report: figures of ``Teacher``, ``Student`` and ``Distilled``, and
            ``Notes`` on any of the three, which become footnotes.

    Raises:
        ValueError: A name is unknown.
    """
    entries = read_metafile(folder)
    names = {entry['Name']: parse_name(entry['Name']) for entry in entries}
    parts = []
    for task, title in TASKS.items():
        rows = [e for e in entries if names[e['Name']].data_set.task == task]
        if rows:
            parts += [f'### {title}', _metrics(names[e['Name']] for e in rows)]
            parts += _results(rows, names)
            parts.append(_commands(rows))
    return '\n\n'.join(parts)


def read_metafile(folder: Path) -> list[dict]:
    """The entries of a folder's ``metafile.yml``.

    Raises:
        ValueError: An entry is called other than its config, or has other
            keys among its ``Paper Results`` than are shown.
    """
    text = (folder / 'metafile.yml').read_text(encoding='utf-8')
    entries = yaml.safe_load(text)['Models']
    for entry in entries:
        name, config = entry['Name'], Path(entry['Config'])
        if config.stem != name:
            raise ValueError(
                f'{name}: `Config` is {config}, expected the name of a model '
                'to be that of its config'
            )
        paper = entry.get('Paper Results', {})
        unknown = paper.keys() - {*PAPER, 'Notes'}
        unknown |= paper.get('Notes', {}).keys() - {*PAPER}
        if unknown:
            raise ValueError(
                f'{name}: `Paper Results` have {", ".join(sorted(unknown))}, '
                f'expected {", ".join(PAPER)}, and Notes on these'
            )
    return entries


def _metrics(names: Iterable[ConfigName]) -> str:
    """Which figure a table has for which data set."""
    titles = {}
    for data_set in dict.fromkeys(name.data_set for name in names):
        titles.setdefault(data_set.metric, []).append(data_set.title)
    return '; '.join(
        f'{metric} on {", ".join(data_sets)}'
        for metric, data_sets in titles.items()
    ).join(('Figures: ', '.'))


def _results(
    entries: list[dict], names: dict[str, ConfigName]
) -> Iterator[str]:
    """A table with a row for each entry, and its footnotes."""
    published = any('Paper Results' in entry for entry in entries)
    method = names[entries[0]['Name']].method
    header = ['Pair', 'Data set', 'Schedule']
    if published:
        header += ['paper: teacher', 'paper: student', f'paper: {method}']
    rows, notes = [], []
    for entry in entries:
        name = names[entry['Name']]
        row = [
            f'[{name.pair}]({Path(entry["Config"]).name})',
            name.data_set.title,
            name.schedule,
        ]
        if published:
            row += _paper_figures(entry.get('Paper Results', {}), notes)
        rows.append([*row, _own_figures(entry)])
    yield _table([*header, 'here'], rows)
    if notes:
        yield '\\\n'.join(
            f'{_superscript(number)} {note}'
            for number, note in enumerate(notes, start=1)
        )


def _paper_figures(paper: dict, notes: list[str]) -> Iterator[str]:
    """The authors' figures with the marks of their notes.

    New notes are added to ``notes``, which counts them for the whole table.
    """
    for key in PAPER:
        note = paper.get('Notes', {}).get(key)
        if note is not None and note not in notes:
            notes.append(note)
        mark = '' if note is None else _superscript(notes.index(note) + 1)
        yield f'{paper.get(key, MISSING)}{mark}'


def _own_figures(entry: dict) -> str:
    figures = [
        f'{value} {metric}'
        for result in entry.get('Results', [])
        for metric, value in result['Metrics'].items()
    ]
    return ', '.join(figures) or NOT_RUN


def _commands(entries: list[dict]) -> str:
    commands = '\n'.join(
        f'python tools/train.py {entry["Config"]}' for entry in entries
    )
    return (
        '<details><summary>Commands</summary>\n\n'
        f'```shell\n{commands}\n```\n\n</details>'
    )


def baseline_table(folder: Path) -> str:
    """The models of a folder by data set and schedule.

    Raises:
        ValueError: A name is unknown.
    """
    models = {}
    for path, name in _named(folder):
        key = name.data_set.title, name.schedule
        models.setdefault(key, []).append(f'[{name.student}]({path.name})')
    return _table(
        ['Data set', 'Schedule', 'Models'],
        [[*key, ', '.join(links)] for key, links in models.items()],
    )


def teacher_table(folder: Path) -> str:
    """The models of a folder and where training leaves their weights.

    Raises:
        ValueError: A name is unknown.
    """
    return _table(
        ['Config', 'Data set', 'Schedule', 'Weights'],
        [
            [
                f'[{name.student}]({path.name})',
                name.data_set.title,
                name.schedule,
                f'`{last_checkpoint(path)}`',
            ]
            for path, name in _named(folder)
        ],
    )


def last_checkpoint(config: Path) -> str:
    """What ``tools/train.py`` writes at the end, from the root."""
    train = Config.fromfile(config).train_cfg
    last = (
        f'iter_{train.max_iters}'
        if 'max_iters' in train
        else f'epoch_{train.max_epochs}'
    )
    return f'work_dirs/{config.stem}/{last}.pth'


def _named(folder: Path) -> list[tuple[Path, ConfigName]]:
    """The configs of a folder with what their names say, by data set."""
    order = list(DATA_SETS.values())

    def place(config: tuple[Path, ConfigName]) -> tuple:
        path, name = config
        return order.index(name.data_set), name.schedule, path.name

    return sorted(
        ((path, parse_name(path.stem)) for path in folder.glob('*.py')),
        key=place,
    )


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))
