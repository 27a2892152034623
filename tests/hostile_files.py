"""Checkpoints that try to run code. All that the code does is make a folder.

The folder is the mark: where it exists, something of a file was executed.
"""

import codecs
import functools
import importlib
import io
import operator
import os
import pickle
import runpy
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer


class Call:
    """Pickles as a call of a function, which may be the result of a call."""

    def __init__(self, function: Callable, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced

    def __call__(self):
        raise NotImplementedError('pickle only writes what can be called')


def expression(mark: Path) -> str:
    """Python that leaves the mark."""
    return f'__import__("os").makedirs({str(mark)!r}, exist_ok=True)'


def _evaluated(mark: Path) -> Call:
    return Call(eval, expression(mark))


# --------------------------------------------------------------------- pickles


class _WithState:
    """Pickles as a log history with a call in its state."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return HistoryBuffer, (), dict(statistics=_evaluated(self.mark))


class _Hashable(Call):
    """A call that can be in a key."""

    def __init__(self, mark: Path) -> None:
        super().__init__(eval, expression(mark))

    __hash__ = object.__hash__


def _nested(mark: Path) -> bytes:
    stream = io.BytesIO()
    torch.save(_evaluated(mark), stream)
    return stream.getvalue()


def _object_array(mark: Path) -> np.ndarray:
    array = np.empty(1, dtype=object)
    array[0] = _evaluated(mark)
    return array


def _script(mark: Path, name: str = 'script.py') -> str:
    """A file beside the mark that leaves it when it is executed."""
    path = mark.parent / f'{mark.name}-{name}'
    path.write_text(f'{expression(mark)}\n')
    return str(path)


def _hub(mark: Path) -> str:
    folder = mark.parent / f'{mark.name}-hub'
    folder.mkdir(exist_ok=True)
    (folder / 'hubconf.py').write_text(
        f'{expression(mark)}\ndef entry():\n    return None\n'
    )
    return str(folder)


def load_local_hub(folder: str):
    """As a file can call it, with keywords by ``functools.partial``."""
    return torch.hub.load(folder, 'entry', source='local')


def _module(name: str) -> Call:
    return Call(importlib.import_module, name)


#: Objects, each of a mark's path, that run code when they are unpickled.
PICKLES: dict[str, Callable[[Path], Any]] = {
    'os.system': lambda mark: Call(os.system, f'mkdir {mark}'),
    'os.makedirs': lambda mark: Call(os.makedirs, str(mark)),
    'builtins.eval': _evaluated,
    'builtins.exec': lambda mark: Call(exec, expression(mark)),
    'subprocess.Popen': lambda mark: Call(
        subprocess.Popen, ('mkdir', str(mark))
    ),
    'subprocess.run': lambda mark: Call(subprocess.run, ('mkdir', str(mark))),
    'functools.partial': lambda mark: Call(
        functools.partial(os.makedirs, str(mark))
    ),
    'operator.methodcaller': lambda mark: Call(
        operator.methodcaller('mkdir', str(mark)), _module('os')
    ),
    'getattr of a module': lambda mark: Call(
        Call(getattr, _module('os'), 'mkdir'), str(mark)
    ),
    'getattr of builtins': lambda mark: Call(
        Call(getattr, _module('builtins'), 'eval'), expression(mark)
    ),
    'getattr of an allowed class': lambda mark: Call(
        Call(
            operator.getitem,
            Call(
                operator.getitem,
                Call(getattr, HistoryBuffer.update, '__globals__'),
                '__builtins__',
            ),
            'eval',
        ),
        expression(mark),
    ),
    'nested torch.load': lambda mark: Call(
        torch.storage._load_from_bytes, _nested(mark)
    ),
    'nested pickle.loads': lambda mark: Call(
        pickle.loads, pickle.dumps(_evaluated(mark))
    ),
    'an array of objects': _object_array,
    'the state of a log history': _WithState,
    'the key of a dict': lambda mark: {(0, _Hashable(mark)): 1},
    'encoded text': lambda mark: Call(
        eval,
        Call(codecs.decode, codecs.encode(expression(mark), 'rot13'), 'rot13'),
    ),
    'runpy.run_path': lambda mark: Call(runpy.run_path, _script(mark)),
    'torch.hub.load': lambda mark: Call(load_local_hub, _hub(mark)),
}


def _tar(path: Path, mark: Path) -> None:
    """The oldest format of torch, an archive that it unpacks."""
    content = pickle.dumps(_evaluated(mark), protocol=2)
    with tarfile.open(path, 'w', format=tarfile.PAX_FORMAT) as archive:
        for name in ('storages', 'tensors', 'pickle', 'sys_info'):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def write_pickles(
    folder: Path, content: dict, gadgets: Iterable[str] = tuple(PICKLES)
) -> dict[Path, Path]:
    """Writes a checkpoint for every gadget and format.

    Args:
        folder: Where the files go.
        content: A checkpoint; the gadget goes into its ``meta``.
        gadgets: Which of them, by name.

    Returns:
        The files, with the mark that each leaves where it is executed.
    """
    written = {}

    def name(gadget: str, kind: str) -> tuple[Path, Path]:
        stem = f'{gadget}-{kind}'.replace(' ', '_')
        path, mark = folder / f'{stem}.pth', folder / f'ran_{len(written)}'
        written[path] = mark
        return path, mark

    for gadget in gadgets:
        make = PICKLES[gadget]
        for kind, is_zip in (('zip', True), ('old', False)):
            path, mark = name(gadget, kind)
            meta = {**content.get('meta', {}), 'gadget': make(mark)}
            torch.save(
                {**content, 'meta': meta},
                path,
                _use_new_zipfile_serialization=is_zip,
            )
        path, mark = name(gadget, 'pickle')
        path.write_bytes(pickle.dumps(make(mark), protocol=2))
    _tar(*name('eval', 'tar'))
    return written


# ---------------------------------------------------------------- config texts


def config_texts(mark: Path) -> dict[str, str]:
    """Texts of configs that leave the mark when they are executed."""
    run = expression(mark)
    base = _script(mark, 'base.py')
    return {
        'a statement': run,
        'a value': f'a = {run}',
        'an import': f'import os\nos.makedirs({str(mark)!r})',
        'a dict': f'model = dict(type={run})',
        'a list': f'a = [1, ({run}, 2)]',
        'a key': f'a = {{{run}: 1}}',
        'an f-string': "a = f'{" + run.replace("'", '"') + "}'",
        'a comprehension': f'a = [{run} for _ in (1,)]',
        'a lambda': f'a = (lambda: {run})()',
        'a decorator': f'@(lambda f: {run})\ndef a():\n    pass',
        'a class': f'class A:\n    {run}',
        'a default': f'def a(x={run}):\n    pass',
        'an annotation': f'a: {run} = 1',
        'an assert': f'assert {run} is None',
        'a condition': f'a = 1 if {run} else 2',
        'an operator': f'a = 1 + ({run} or 1)',
        'a subscript': f'a = dict(b=1)\na[{run}] = 1',
        'an unpacked dict': f'a = dict(**{{"b": {run}}})',
        'another dict': f'dict = lambda **_: {run}\nmodel = dict(type="R")',
        'a base': f'_base_ = {base!r}',
        'several bases': f'_base_ = [{base!r}]',
        'exec': f'exec({run!r})',
        'custom_imports': (
            f'import sys\nsys.path.append({str(mark.parent)!r})\n'
            f'custom_imports = dict(imports=[{Path(base).stem!r}])'
        ),
    }


def yaml_texts(mark: Path) -> dict[str, str]:
    """YAML that leaves the mark where it builds objects."""
    return {
        'apply': f'a: !!python/object/apply:os.makedirs [{str(mark)!r}]',
        'subclass': (
            'a: !!python/object/apply:builtins.list\n'
            f'- - !!python/object/apply:os.makedirs [{str(mark)!r}]'
        ),
    }
