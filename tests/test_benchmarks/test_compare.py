"""Two sides of results, row by row."""

import json

import pytest

from cankd_mm.benchmarks.compare import compare


def written(path, *rows):
    """A file as ``losses`` writes it: loss, form, ms and MiB of each row."""
    names = ('loss', 'form', 'both_ms', 'peak_mib')
    content = [
        dict(zip(names, row, strict=True), place='P2', size='1x2x3x4')
        for row in rows
    ]
    path.write_text(json.dumps(dict(rows=content)))
    return path


def test_a_row_has_the_least_of_each_side(tmp_path):
    before = [
        written(tmp_path / 'a', ('CanKD', 'CanKD', 8.0, 30.0)),
        written(
            tmp_path / 'b',
            ('CanKD', 'CanKD', 6.0, 40.0),
            ('CanKD', 'as printed', 1.0, 1.0),
            ('TaT', 'TaT', 1.0, 1.0),
            # As `--count-only` leaves it.
            ('CanKD', 'CanKD', None, 1.0),
        ),
    ]
    after = [written(tmp_path / 'c', ('CanKD', 'CanKD', 3.0, 10.0))]
    (row,) = compare(before, after)
    assert (row['loss'], row['place'], row['size']) == (
        *('CanKD', 'P2', '1x2x3x4'),
    )
    assert (row['before_ms'], row['after_ms'], row['time_ratio']) == (
        6,
        3,
        0.5,
    )
    assert (row['before_mib'], row['after_mib']) == (30, 10)
    assert row['memory_ratio'] == pytest.approx(1 / 3)


def test_sides_without_a_common_row_are_an_error(tmp_path):
    files = [
        [written(tmp_path / loss, (loss, loss, 1.0, 1.0))]
        for loss in ('TaT', 'LAKD')
    ]
    with pytest.raises(ValueError, match='--before and --after'):
        compare(*files)
