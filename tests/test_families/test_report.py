"""The file and the page of a run."""

from tests.families import report

OK = dict(build='ok', loss='ok', prediction='ok')


def _record(family='mmdet/some', **changes) -> dict:
    return dict(
        family=family,
        config='mmdet::some/a.py',
        recorder='neck',
        config_error='',
        plain=OK,
        distilled=OK,
        **changes,
    )


def test_records_are_read_as_they_were_saved(tmp_path):
    file = tmp_path / 'records.json'
    assert report.load(file) == {}
    records = {'mmdet/some': _record()}
    report.save(file, records)
    assert report.load(file) == records
    assert [f.name for f in tmp_path.iterdir()] == ['records.json']


def test_the_summary_counts_faults():
    failing = dict(OK, loss='ValueError: a | <b>')
    records = {
        'a': _record('a'),
        'b': _record('b') | dict(distilled=failing),
    }
    assert report.summary(records) == '2 families: 1 train; ours: 1'
    row = report.row(records['b'])
    assert row == (
        '| b | a | `neck` | trains | fails: loss | ours '
        '| ValueError: a \\| &lt;b> |'
    )


def test_a_row_names_no_folder_of_the_machine():
    error = (
        'OSError: no "/home/me/lib/site-packages/mmdet/a.py", '
        'the current sys.path is: /home/me'
    )
    record = _record() | dict(distilled={}, plain={}, config_error=error)
    row = report.row(record)
    assert 'OSError: no ".../mmdet/a.py"' in row and '/home' not in row


def test_a_page_keeps_what_is_around_its_table(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(f'above\n{report.BEGIN}\nold\n{report.END}\nbelow\n')
    report.write_page(page, 'new')
    expected = f'above\n{report.BEGIN}\nnew\n{report.END}\nbelow\n'
    assert page.read_text() == expected
    other = tmp_path / 'other.md'
    report.write_page(other, 'new')
    assert other.read_text() == 'new\n'
