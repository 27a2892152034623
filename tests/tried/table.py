"""What is registered, and what each component did."""

from collections.abc import Callable

import mmdet.registry
import mmengine.registry
import mmrazor.registry
import mmseg.registry
from mmdet.utils import register_all_modules as register_mmdet
from mmrazor.utils import register_all_modules as register_mmrazor
from mmseg.utils import register_all_modules as register_mmseg

from tests.tried import constructors, hooks
from tests.tried.runs import differences

LIBRARIES = dict(
    mmengine=mmengine.registry,
    mmdet=mmdet.registry,
    mmseg=mmseg.registry,
    mmrazor=mmrazor.registry,
)
KINDS = dict(HOOKS=hooks, OPTIM_WRAPPER_CONSTRUCTORS=constructors)


def registered(kind: str) -> list[str]:
    """``library.name`` of every component of the installed libraries."""
    for register in (register_mmdet, register_mmseg, register_mmrazor):
        register(init_default_scope=False)
    return [
        f'{library}.{name}'
        for library, registry in LIBRARIES.items()
        for name, component in getattr(registry, kind).module_dict.items()
        if component.__module__.partition('.')[0] in (*LIBRARIES, 'mmcv')
        # A helper of MMDetection's own tests, there once these are imported.
        and not component.__module__.startswith('mmdet.testing')
    ]


def _result(case) -> str:
    try:
        found = differences(case)
    except Exception as error:
        return f'fails: {type(error).__name__}: {error}'[:300]
    return f'differs: {found[:3]}' if found else expected(case)


def expected(case) -> str:
    """What the table says where no weight differs."""
    return 'equal' if case.worked else 'equal, and nothing else to see'


def row(name: str, result: str) -> str:
    """One row of the table."""
    library, _, component = name.partition('.')
    return f'| {library} | `{component}` | {result} |'


def text(progress: Callable[[str], None]) -> str:
    """The table; ``progress`` is given each row as it is known."""
    rows = ['| registered by | component | weights |', '|---|---|---|']
    for kind, tried in KINDS.items():
        cases = {case.name: case for case in tried.CASES}
        for name in sorted(registered(kind)):
            result = (
                _result(cases[name])
                if name in cases
                else f'not tried: {tried.EXCEPTIONS[name]}'
            )
            rows.append(row(name, result))
            progress(rows[-1])
    return '\n'.join(rows)
