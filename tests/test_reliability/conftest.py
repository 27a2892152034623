"""Counts what the tests of this folder try."""

import pytest

from tests.reliability_table import count

# Where each test is one try; the others count by themselves.
_ONE_EACH = {
    'test_bad_data': 'bad data',
    'test_bad_files': 'bad files',
    'test_full_disk': 'full disks',
    'test_non_finite': 'non-finite runs',
    'test_work_dir': 'work dirs and resumes',
}


@pytest.fixture(autouse=True)
def _count_each(request, record_property):
    kind = _ONE_EACH.get(request.module.__name__.rpartition('.')[2])
    if kind:
        count(record_property, kind)
