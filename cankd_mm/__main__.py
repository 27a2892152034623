"""Run a script of another project with this package's workarounds.

    python -m cankd_mm SCRIPT ARGS...

SCRIPT is a path, or ``package::path`` for a file that an installed package
carries: ``mmdet::tools/analysis_tools/get_flops.py``. It runs as
``python SCRIPT ARGS...`` would, after ``import cankd_mm``: where mmcv was
installed without its compiled operators, or MMRazor does not import beside
the installed torch, the script works all the same, and it finds what this
package registers. A ``torch.load`` of its own reads OpenMMLab checkpoints.
"""

import os
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import cankd_mm  # noqa: F401  (what the script needs)
from cankd_mm.compat import checkpoint_loading


def find_script(name: str) -> str:
    """Return the path of a script.

    Args:
        name: A path, or ``package::path`` from where an installed package
            keeps its tools and configs.

    Raises:
        FileNotFoundError: There is no such script, or no such package.
    """
    package, separator, relative = name.partition('::')
    if not separator:
        if os.path.isfile(name):
            return name
        raise FileNotFoundError(
            f'there is no script {name}. Give a path from the current '
            f'directory ({Path.cwd()}), an absolute one, or package::path, '
            'such as mmdet::tools/analysis_tools/get_flops.py'
        )
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f'{name}: no package {package!r} is installed')
    root = Path(spec.submodule_search_locations[0], '.mim')
    if (root / relative).is_file():
        return str(root / relative)
    scripts = sorted(
        f'{package}::{path.relative_to(root)}'
        for path in root.glob('tools/**/*.py')
    )
    known = '\n  '.join(scripts) or 'none'
    raise FileNotFoundError(
        f'{name}: there is no file {root / relative}. Scripts of {package}:'
        f'\n  {known}'
    )


def main() -> None:
    """Run the script as the main program.

    Its folder takes the place of the current one in ``sys.path``, as Python
    does for a script.
    """
    if len(sys.argv) < 2 or sys.argv[1] in ('-h', '--help'):
        print(__doc__.strip())
        sys.exit(0 if len(sys.argv) > 1 else 2)
    try:
        script = find_script(sys.argv[1])
    except FileNotFoundError as error:
        sys.exit(f'python -m cankd_mm: {error}')
    sys.argv = [script, *sys.argv[2:]]
    checkpoint_loading.allow_in_torch_load()
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name='__main__')


if __name__ == '__main__':
    main()
