"""Loads checkpoints as data: no code of a file ever runs.

What breaks: a pickle can call any function while it is read. Stock mmengine
0.10.7 calls ``torch.load`` with its defaults: before torch 2.6 these run the
file's code, since then they refuse the checkpoints mmengine itself writes
(``UnpicklingError`` at ``--resume``). OneDL's mmengine tries a restricted
load first, whose allow-list holds ``getattr``, and on refusal falls back to
the unrestricted one. Both load an URL through ``torch.hub``, unrestricted.

Here: every path of mmengine's ``CheckpointLoader`` loads with
``weights_only=True`` and the allow-list below, which is what mmengine, mmdet
and mmseg write: numpy numbers and arrays, log histories, configs, and the
annealing function of the one-cycle schedule. Globals that a user has added
with ``torch.serialization.add_safe_globals`` stay allowed. Anything else, and
TorchScript and ``.tar`` archives, raises :class:`UnsafeCheckpointError`. The
functions that log histories share are the same after a load as before.

Upstream: https://github.com/open-mmlab/mmengine/issues/1655,
https://github.com/open-mmlab/mmengine/pull/1650.

Probe: whether mmengine calls a harmless function that a file names, refuses a
log history of its own, or lets ``torch.hub`` load without restriction. The
file is one in memory: a probe runs where nothing can be written.

Delete when: the supported mmengine versions load with ``weights_only=True``
from disk and from URLs, without a fallback.
"""

import codecs
import contextlib
import functools
import inspect
import io
import pickle
import re
import tarfile
import threading
import types
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from importlib.util import find_spec

import torch

from cankd_mm.checkpoint import numpy_data
from cankd_mm.checkpoint.errors import UnsafeCheckpointError
from cankd_mm.checkpoint.integrity import reading

_torch_load = torch.load
_lock = threading.RLock()


# Pickle writes a method of a class as `getattr(cls, name)`. Allowing `getattr`
# would open every attribute of every allowed object, so files get a look-up in
# this table instead: class to names.
_METHODS = {
    'mmengine.logging.history_buffer.HistoryBuffer': (
        'min',
        'max',
        'current',
        'mean',
    ),
    'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler': (
        '_annealing_cos',
        '_annealing_linear',
    ),
}


class _NotCallable:
    """Stands in for a class that a file may name but not instantiate."""

    def __init__(self, cls: type) -> None:
        self.cls = cls


def _get_method(owner, name: str):
    """Replaces ``getattr`` while a checkpoint is read."""
    for full_name, names in _METHODS.items():
        if owner is allowed_globals()[full_name] and name in names:
            return getattr(getattr(owner, 'cls', owner), name)
    raise pickle.UnpicklingError(
        f'Unsupported global: GLOBAL getattr({owner!r}, {name!r})'
    )


@functools.lru_cache(maxsize=1)
def allowed_globals() -> dict[str, object]:
    """What a checkpoint may name besides torch's own types, by full name."""
    from mmengine.config import ConfigDict
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    allowed = {
        'numpy.ndarray': numpy_data.ARRAY_NAME,
        'numpy.dtype': numpy_data.DtypeOfFile,
        # What arrays are while they are read. No file can name it, since a
        # name has a dot.
        'ArrayOfFile': numpy_data.ArrayOfFile,
        'mmengine.config.config.ConfigDict': ConfigDict,
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler': (
            _NotCallable(OneCycleParamScheduler)
        ),
        'builtins.getattr': _get_method,
        # How pickle writes bytes; torch < 2.6 does not list it.
        '_codecs.encode': codecs.encode,
    }
    # numpy 2 moved the module; files carry either name.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed[f'{module}._reconstruct'] = numpy_data.reconstruct
        allowed[f'{module}.scalar'] = numpy_data.scalar
    return allowed


def needed() -> bool:
    """Whether mmengine runs code of a file or refuses a file of its own."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.runner import checkpoint

    if hasattr(checkpoint.CheckpointLoader.load_checkpoint, '__wrapped__'):
        return False
    return _runs_code() or _refuses_own() or _trusts_urls()


def apply() -> None:
    """Makes every load of mmengine's ``CheckpointLoader`` a safe one."""
    from mmengine.runner.checkpoint import CheckpointLoader

    load_checkpoint = CheckpointLoader.load_checkpoint.__func__

    @functools.wraps(load_checkpoint)
    def load_as_data(cls, filename, *args, **kwargs):
        with _torch_load_restricted(filename):
            return load_checkpoint(cls, filename, *args, **kwargs)

    CheckpointLoader.load_checkpoint = classmethod(load_as_data)


@contextlib.contextmanager
def _torch_load_restricted(filename: str):
    """Restricts ``torch.load`` on this thread; names ``filename`` in errors.

    The loaders of the URL schemes reach ``torch.load`` through other
    libraries, so it is replaced where all of them find it.
    """
    with _lock:
        thread = threading.get_ident()
        outer = torch.load
        users = _users_globals()

        def load(file, map_location=None, *args, **kwargs):
            if threading.get_ident() != thread:
                return outer(file, map_location, *args, **kwargs)
            # Finds damage, and files that are no checkpoint.
            with reading(file, 'checkpoint'):
                return _load_as_data(file, filename, map_location, users)

        torch.load = load
        try:
            yield
        finally:
            torch.load = outer


def _load_as_data(file, filename: str, map_location, users):
    _refuse_archives(file, filename)
    try:
        with _shared_statistics_kept():
            if _has_allow_list():
                with _only(users):
                    return _torch_load(
                        file, map_location=map_location, weights_only=True
                    )
            return _torch_load(
                file,
                map_location=map_location,
                pickle_module=_restricted_pickle(),
            )
    except pickle.UnpicklingError as error:
        raise UnsafeCheckpointError(_refusal(filename, error)) from error


def _refuse_archives(file, filename: str) -> None:
    """Raises for formats that run code, or unpack files, when read.

    Loading a TorchScript archive runs the ``__setstate__`` of its modules,
    and the oldest format of torch is an archive of files.
    """
    kind = None
    if _is_torchscript(file):
        kind = 'a TorchScript archive'
    elif tarfile.is_tarfile(file):
        kind = 'a .tar archive'
    if hasattr(file, 'seek'):
        file.seek(0)
    if kind:
        raise UnsafeCheckpointError(
            f'checkpoint {filename!r} was not loaded: it is {kind}, and '
            'reading one can run code. Expected what torch.save writes since '
            'torch 0.4: convert it once to plain weights, torch.save({'
            "'state_dict': model.state_dict()}, 'out.pth'), if you trust "
            'where the file comes from'
        )


def _is_torchscript(file) -> bool:
    try:
        # torch's own reader: another may see another archive in a file.
        records = torch._C.PyTorchFileReader(
            file if hasattr(file, 'read') else str(file)
        ).get_all_records()
    except RuntimeError:  # no archive, or one that torch cannot read either
        return False
    return 'constants.pkl' in records


@contextlib.contextmanager
def _shared_statistics_kept():
    """Keeps a file from changing what all log histories compute."""
    from mmengine.logging import HistoryBuffer

    HistoryBuffer()  # MMEngine adds its functions with the first one.
    methods = HistoryBuffer._statistics_methods
    before = dict(methods)
    try:
        yield
    finally:
        methods.clear()
        methods.update(before)


def _refusal(filename: str, error: Exception) -> str:
    found = re.search(r'GLOBAL (getattr\(.*\)|[\w.]+)', str(error))
    reason = (
        f'it holds `{found[1]}`, which is not data, and reading it could run '
        'code'
        if found
        else str(error).strip().splitlines()[0]
    )
    return (
        f'checkpoint {filename!r} was not loaded: {reason}. Expected tensors, '
        'numbers, text, numpy arrays, mmengine logs and configs. If you '
        'trust where the file comes from, convert it once to plain weights:\n'
        '  python -c "import torch; '
        "c = torch.load('in.pth', 'cpu', weights_only=False); "
        "torch.save({'state_dict': c.get('state_dict', c)}, 'out.pth')\"\n"
        'and use out.pth; a harmless class of your own can be allowed with '
        'torch.serialization.add_safe_globals([...]) (torch >= 2.6) instead.'
    )


# torch >= 2.6: weights_only with named globals


def _has_allow_list() -> bool:
    return hasattr(torch.serialization, 'get_unsafe_globals_in_checkpoint')


def _users_globals() -> list:
    return torch.serialization.get_safe_globals() if _has_allow_list() else []


def allow_in_torch_load() -> None:
    """Lets a bare ``torch.load`` read what OpenMMLab checkpoints hold.

    For scripts that call it themselves: since torch 2.6 it refuses the log
    histories that mmengine writes.
    """
    if _has_allow_list():
        torch.serialization.add_safe_globals(_ours())


def _ours() -> list:
    return [(value, name) for name, value in allowed_globals().items()]


@contextlib.contextmanager
def _only(users: list):
    """Allows ours and the user's globals, not what mmengine adds meanwhile."""
    serialization = torch.serialization
    before = serialization.get_safe_globals()
    serialization.clear_safe_globals()
    serialization.add_safe_globals(users + _ours())
    try:
        yield
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)


# torch < 2.6: weights_only takes no classes of ours, so the same list is
# enforced by an unpickler that looks no other name up.


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        from torch._weights_only_unpickler import _get_allowed_globals

        # Files speak Python 2, as `torch.save` writes them.
        module, name = NAME_MAPPING.get(
            (module, name), (IMPORT_MAPPING.get(module, module), name)
        )
        full_name = f'{module}.{name}'
        for allowed in (allowed_globals(), _get_allowed_globals()):
            if full_name in allowed:
                return allowed[full_name]
        raise pickle.UnpicklingError(
            f'Unsupported global: GLOBAL {full_name} is not allowed'
        )


def _restricted_pickle() -> types.SimpleNamespace:
    return types.SimpleNamespace(
        __name__='pickle',
        Unpickler=_RestrictedUnpickler,
        load=lambda file, **kwargs: _RestrictedUnpickler(
            file, **kwargs
        ).load(),
    )


# Probes


class _CodeExecutionProbe:
    """Pickles as a call of :func:`_probe`."""

    def __reduce__(self):
        return _probe, ()


def _probe() -> str:
    return 'ran'


def _runs_code() -> bool:
    try:
        loaded = _load_with_mmengine({'probe': _CodeExecutionProbe()})
    except pickle.UnpicklingError:
        return False
    return loaded['probe'] == 'ran'


def _refuses_own() -> bool:
    from mmengine.logging import HistoryBuffer

    try:
        _load_with_mmengine({'log': HistoryBuffer([0.5], [1])})
    except pickle.UnpicklingError:
        return True
    return False


def _trusts_urls() -> bool:
    load_url = torch.hub.load_state_dict_from_url
    default = inspect.signature(load_url).parameters.get('weights_only')
    return default is None or default.default is False


def _load_with_mmengine(content: dict):
    """Has mmengine load a checkpoint that is in memory, not on a disk."""
    from mmengine.runner.checkpoint import load_from_local

    buffer = io.BytesIO()
    torch.save(content, buffer)
    stored = buffer.getvalue()
    outer = torch.load

    def load(file, *args, **kwargs):
        if file == __file__:
            file = io.BytesIO(stored)
        return outer(file, *args, **kwargs)

    with _lock:
        torch.load = load
        try:
            # OneDL's fallback says so on standard output.
            with contextlib.redirect_stdout(io.StringIO()):
                # A file that exists, which mmengine looks for.
                return load_from_local(__file__, 'cpu')
        finally:
            torch.load = outer
