"""`import cankd_mm` in processes of its own."""

import sys

import pytest

from tests.commands import run

IMPORT_EVERYTHING = """
import sys
import cankd_mm
import mmrazor.models
import mmrazor.engine, mmrazor.structures, mmrazor.datasets
import mmrazor.implementations
from mmrazor.utils import register_all_modules
register_all_modules()
print('mmcls imported:', 'mmcls' in sys.modules)
"""

IMPORT_WITHOUT = """
import sys
sys.modules[{missing!r}] = None
import cankd_mm
import torch
from cankd_mm.functional import cankd
print(tuple(cankd.non_local_dot_product(*torch.ones(3, 1, 2, 4)).shape))
"""

# A limit of 0 on the size of files: whatever is written fails.
IMPORT_UNWRITABLE = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
import cankd_mm
from cankd_mm import compat
print('applied:', compat.applied())
"""

IMPORT_COST = """
import sys, time
import torch
start = time.perf_counter()
import cankd_mm
print('seconds:', time.perf_counter() - start)
print('heavy:', [
    name
    for name in ('mmdet.models', 'mmseg.models', 'mmrazor.models', 'mmcv.ops',
                 'sklearn', 'matplotlib')
    if name in sys.modules
])
"""


def test_everything_of_mmrazor_imports_and_mmcls_is_left_alone():
    output = run(sys.executable, '-c', IMPORT_EVERYTHING)
    assert 'mmcls imported: False' in output


@pytest.mark.parametrize(
    'missing', ['mmdet', 'mmseg', 'mmrazor', 'mmcv', 'mmengine']
)
def test_imports_without_an_optional_package(missing):
    output = run(sys.executable, '-c', IMPORT_WITHOUT.format(missing=missing))
    assert '(1, 2, 4)' in output


def test_imports_where_no_file_can_be_written(tmp_path):
    nowhere = str(tmp_path / 'missing')
    output = run(
        sys.executable,
        *('-c', IMPORT_UNWRITABLE),
        PYTHONDONTWRITEBYTECODE='1',
        # matplotlib has to write somewhere, and finds another place itself.
        **dict.fromkeys(
            ('TMPDIR', 'HOME', 'XDG_CACHE_HOME', 'MPLCONFIGDIR'), nowhere
        ),
    )
    assert 'checkpoint_loading' in output.split('applied:')[1]
    assert list(tmp_path.iterdir()) == []


def test_import_leaves_the_task_libraries_for_the_first_look_up(
    record_property,
):
    output = run(sys.executable, '-c', IMPORT_COST)
    seconds = float(output.split('seconds:')[1].split()[0])
    record_property('import_seconds_over_torch', seconds)
    assert 'heavy: []' in output
