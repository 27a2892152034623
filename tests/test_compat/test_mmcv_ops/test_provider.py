import importlib
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from cankd_mm.compat import mmcv_ops

FOLDER = Path(mmcv_ops.__file__).parent
without_compiled = pytest.mark.skipif(
    not mmcv_ops.needed(), reason='this mmcv is compiled'
)


def run(code, *path):
    """Runs code where mmcv_ops is imported alone, not the whole package."""
    code = f"""
import sys, types
for name, folder in (
    ('cankd_mm', {str(FOLDER.parents[1])!r}),
    ('cankd_mm.compat', {str(FOLDER.parent)!r}),
):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
sys.path[:0] = {[str(p) for p in path]!r}
before = list(sys.meta_path)
from cankd_mm.compat import mmcv_ops
{code}"""
    subprocess.run([sys.executable, '-c', code], check=True)


def fake_mmcv(tmp_path, **files):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    for name, text in files.items():
        (package / f'{name}.py').write_text(text)
    return tmp_path


@without_compiled
def test_python_finds_a_real_spec():
    importlib.import_module('mmcv.ops')
    spec = importlib.util.find_spec('mmcv._ext')
    assert spec.loader is not None
    assert spec.name == 'mmcv._ext'
    if sys.version_info < (3, 14):
        assert pkgutil.find_loader('mmcv._ext') is not None


def test_mmcv_imports_all_operators():
    ops = importlib.import_module('mmcv.ops')
    assert all(hasattr(ops, name) for name in ops.__all__)


@without_compiled
def test_operator_without_fallback_says_how_to_get_it():
    import torch
    from mmcv.ops import box_iou_rotated

    boxes = torch.rand(2, 5)
    with pytest.raises(NotImplementedError, match='box_iou_rotated') as error:
        box_iou_rotated(boxes, boxes)
    assert 'mim install mmcv' in str(error.value)
    assert 'MMCV_WITH_OPS=1' in str(error.value)


@without_compiled
def test_module_attributes_are_not_operators():
    module = importlib.import_module('mmcv._ext')
    assert not hasattr(module, '__path__')
    assert not hasattr(module, '__file__')


@without_compiled
def test_environment_report_works():
    from mmcv.ops import get_compiler_version, get_compiling_cuda_version

    assert 'cankd_mm' in get_compiler_version()
    assert isinstance(get_compiling_cuda_version(), str)


def test_apply_adds_one_finder_and_imports_nothing(tmp_path):
    run(
        """
assert mmcv_ops.needed()
mmcv_ops.apply()
mmcv_ops.apply()
assert sys.meta_path == before + [mmcv_ops.FINDER]
assert mmcv_ops.needed()  # what it found is the fallback
assert not {'mmcv', 'torch', 'torchvision'} & set(sys.modules)
import mmcv._ext
assert mmcv._ext.nms.__module__ == 'cankd_mm.compat.mmcv_ops.nms'
assert 'torchvision' not in sys.modules
""",
        fake_mmcv(tmp_path),
    )


def test_compiled_operators_stay_untouched(tmp_path):
    run(
        """
assert not mmcv_ops.needed()
mmcv_ops.apply()
assert sys.meta_path == before
import mmcv._ext
assert mmcv._ext.COMPILED
""",
        fake_mmcv(tmp_path, _ext='COMPILED = True'),
    )


def test_compiled_operators_go_first_even_with_the_finder(tmp_path):
    run(
        """
sys.meta_path.append(mmcv_ops.FINDER)
import mmcv._ext
assert mmcv._ext.COMPILED
""",
        fake_mmcv(tmp_path, _ext='COMPILED = True'),
    )


def test_a_module_already_imported_stays(tmp_path):
    run(
        """
import mmcv
stub = sys.modules['mmcv._ext'] = types.ModuleType('mmcv._ext')
mmcv_ops.apply()
assert sys.meta_path == before
assert sys.modules['mmcv._ext'] is stub
""",
        fake_mmcv(tmp_path),
    )


def test_without_mmcv_there_is_nothing_to_do():
    run("""
sys.modules['mmcv'] = None
assert not mmcv_ops.needed()
mmcv_ops.apply()
assert sys.meta_path == before
""")
