"""Resumes from a checkpoint without following what it says to other files.

What breaks: with ``save_best``, ``CheckpointHook`` removes the file or the
whole folder that ``best_ckpt`` of the checkpoint names, wherever it is, and
``keep_ckpt_ids`` are put into file names as they are, ``'../../x'`` as well.
Other entries replace what belongs to the new run, or fail far from the file.

Every use of a checkpoint's content while a run resumes, and what is done
about it here. ``Runner.resume`` and ``FlexibleRunner.resume``:

- ``meta['epoch']``, ``meta['iter']``: where the loop goes on; integers of at
  least 0, or an error;
- ``meta['config']``: parsed for ``gpu_ids``
  (:mod:`cankd_mm.compat.checkpoint_config`);
- ``meta['seed']``: seeds the run; an integer or None, or an error;
- ``meta['dataset_meta']``: compared with the data set's, as bytes;
- ``state_dict``: into ``load_state_dict`` of the model; a mapping, or an
  error. ``ema_state_dict``: into that of ``EMAHook``, swapped by key;
- ``optimizer``: into ``load_state_dict`` of the optimizer wrapper, and
  ``loss_scaler`` in it of the scaler; numbers and tensors;
- ``param_schedulers``: written over the schedulers' attributes
  (``__dict__.update``); an entry that would replace a method, a property or
  the optimizer is an error;
- ``message_hub``: its three mappings are copied into the run's; other types,
  or histories that are not numbers, are an error.

The message hub after that:

- ``runtime_info``: ``cfg`` (executed by MMRazor's ``RuntimeInfo`` otherwise)
  and ``experiment_name`` stay those of this run. ``epoch``, ``iter``,
  ``max_epochs``, ``max_iters``, ``loop_stage`` and ``dataset_meta`` are set
  anew by ``RuntimeInfoHook`` before the first iteration. ``best_score*`` are
  compared with metrics: finite numbers, also in a tensor, or left out with a
  warning, together with their ``best_ckpt*``, which is then not replaced.
  ``best_ckpt*``, ``last_ckpt`` and ``keep_ckpt_ids`` steer which files
  ``CheckpointHook`` removes and ``StudentCheckpointHook`` exports: see below.
  ``pending_removal`` and other lists of this package's hooks are bare names,
  checked where they are used. ``val/...`` entries are logged;
- ``log_scalars``: ``LogProcessor`` averages the numbers and uses the keys as
  names in logs, never as names of files. A history may not replace methods;
  the functions that all histories share stay as they were
  (:mod:`cankd_mm.compat.checkpoint_loading`);
- ``resumed_keys``: which entries the next checkpoint holds; those that the
  run has set already stay.

``CheckpointHook.before_train``: a path survives if, links followed, it is a
file in the hook's own folder and has a name that the hook gives. Others are
forgotten with a warning: the files stay, and so does ``best_score``. This is
also what happens to a run directory that was moved, and to a run that is
resumed in another work dir. ``keep_ckpt_ids`` keeps integers of at least 0.

Not covered: the checkpoints of ``FlexibleRunner`` with DeepSpeed, which are
folders and which DeepSpeed itself reads, by pickle.

Upstream: no issue that we know of.

Probe: whether ``CheckpointHook`` takes over ``best_ckpt`` of another folder.

Delete when: mmengine takes no path of a checkpoint, and checks the rest.
"""

import functools
import inspect
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from cankd_mm.checkpoint.checkpoint_names import checkpoint_pattern, folder_of
from cankd_mm.checkpoint.config_text import parse_config_text
from cankd_mm.compat.checkpoint_config import config_text_of

# Entries of the message hub that are this run's own, whatever it resumes.
_OWN = ('cfg', 'experiment_name')
# What `HistoryBuffer` keeps.
_HISTORY = {
    'max_length',
    '_log_history',
    '_count_history',
    'statistics_methods',
}


class ForeignCheckpointError(ValueError):
    """A checkpoint cannot be resumed from: it is not what a run saves."""


def needed() -> bool:
    """Whether the hook takes over a best checkpoint of another folder."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.hooks import CheckpointHook, checkpoint_hook
    from mmengine.logging import MessageHub

    elsewhere = str(Path(__file__))
    hook = CheckpointHook(save_best='score', rule='greater')
    hub = MessageHub('probe')
    hub.update_info('best_ckpt', elsewhere)
    runner = SimpleNamespace(
        message_hub=hub,
        work_dir='.',
        logger=logging.getLogger('cankd_mm.probe'),
    )
    file_client = checkpoint_hook.FileClient
    # It warns that it is deprecated; the hook does not use it.
    checkpoint_hook.FileClient = SimpleNamespace(infer_client=lambda *_: None)
    try:
        hook.before_train(runner)
    finally:
        checkpoint_hook.FileClient = file_client
    return hook.best_ckpt_path == elsewhere


def apply() -> None:
    """Checks what a run resumes from, and forgets paths of other folders."""
    from mmengine.hooks import CheckpointHook
    from mmengine.runner import FlexibleRunner, Runner

    for runner in (Runner, FlexibleRunner):
        runner.resume = _checked(runner.resume)
    CheckpointHook.before_train = _in_own_folder(CheckpointHook.before_train)


# ---------------------------------------------------------------------- resume


def _checked(resume: Callable) -> Callable:
    @functools.wraps(resume)
    def resume_checked(self, filename: str, *args, **kwargs) -> None:
        from mmengine.hooks import CheckpointHook

        call_hook = self.call_hook

        def check_first(fn_name: str, **hook_arguments) -> None:
            if fn_name == 'after_load_checkpoint':
                require_resumable(hook_arguments['checkpoint'], filename, self)
            call_hook(fn_name, **hook_arguments)

        info = self.message_hub.runtime_info
        own = {key: info[key] for key in _OWN if key in info}
        flags = dict(self.message_hub._resumed_keys)
        # Runners call their hooks once a checkpoint is loaded and before
        # anything of it is used.
        self.call_hook = check_first
        try:
            with config_text_of(f"{filename}: meta['config']"):
                resume(self, filename, *args, **kwargs)
        finally:
            del self.call_hook
        for key in _OWN:
            info.pop(key, None)
        info.update(own)
        self.message_hub._resumed_keys.update(flags)
        if not any(isinstance(hook, CheckpointHook) for hook in self.hooks):
            # No hook knows a folder that they might be in.
            for key in [key for key in info if _is_path(key)]:
                del info[key]

    return resume_checked


def require_resumable(checkpoint: Any, filename: str, runner: Any) -> None:
    """Raise unless a checkpoint is what a run saves.

    Args:
        checkpoint: What was loaded. Scores that are not finite numbers are
            taken out of it.
        filename: Where from, for messages.
        runner: Of the run that resumes, with its schedulers.

    Raises:
        ForeignCheckpointError: The message names file, key, what was found
            and what was expected.
        ConfigTextError: Its config text holds more than data.
    """
    check = _Check(filename)
    check.mapping('the content', checkpoint)
    check.mapping('state_dict', checkpoint.get('state_dict'))
    meta = checkpoint.get('meta')
    check.mapping('meta', meta)
    for key in ('epoch', 'iter'):
        check.that(
            _is_count(meta.get(key)),
            f'meta[{key!r}]',
            meta.get(key),
            'an integer of at least 0',
        )
    if 'config' in meta:
        # Before hooks look at the rest; the runner reads it later.
        parse_config_text(meta['config'], f"{filename}: meta['config']")
    seed = meta.get('seed')
    check.that(
        seed is None or _is_integer(seed), "meta['seed']", seed, 'an integer'
    )
    hub = checkpoint.get('message_hub')
    check.mapping('message_hub', hub)
    for key in ('log_scalars', 'runtime_info', 'resumed_keys'):
        check.mapping(f'message_hub[{key!r}]', hub.get(key))
    for key, history in hub['log_scalars'].items():
        _check_history(check, key, history)
    _drop_scores(hub['runtime_info'], filename)
    if 'optimizer' in checkpoint:
        check.mapping('optimizer', checkpoint['optimizer'])
    _check_schedulers(check, checkpoint.get('param_schedulers'), runner)


class _Check:
    """Raises for one file."""

    def __init__(self, filename: str) -> None:
        self.filename = filename

    def that(self, holds: bool, key: str, found: Any, expected: str) -> None:
        if not holds:
            raise ForeignCheckpointError(
                f'--resume: {self.filename}: {key} is {_brief(found)}, '
                f'expected {expected}. Resume from a checkpoint that a '
                'training run saved; to start from weights only, use '
                '--student-ckpt or load_from'
            )

    def mapping(self, key: str, found: Any) -> None:
        self.that(isinstance(found, Mapping), key, found, 'a dict')


def _brief(value: Any) -> str:
    if value is None:
        return 'missing'
    text = repr(value) if isinstance(value, str | int | float) else ''
    return f'{text[:60]} ({type(value).__name__})'.strip()


def _check_history(check: _Check, key: str, history: Any) -> None:
    from mmengine.logging import HistoryBuffer

    # MMEngine leaves others out, with a warning.
    if not isinstance(history, HistoryBuffer):
        return
    content = vars(history)
    name = f"message_hub['log_scalars'][{key!r}]"
    check.that(
        content.keys() <= _HISTORY and _is_count(content.get('max_length')),
        name,
        sorted(content.keys() - _HISTORY),
        'a log history',
    )
    arrays = content.get('_log_history'), content.get('_count_history')
    check.that(
        all(
            isinstance(array, np.ndarray)
            and array.ndim == 1
            and array.dtype.kind in 'biuf'
            for array in arrays
        )
        and len(arrays[0]) == len(arrays[1]),
        name,
        arrays[0],
        'a log history of numbers',
    )


def _drop_scores(info: dict, filename: str) -> None:
    for key in [key for key in info if str(key).startswith('best_score')]:
        score = _finite(info[key])
        if score is not None:
            info[key] = score
            continue
        _warn(
            f"{filename}: message_hub['runtime_info'][{key!r}] is "
            f'{_brief(info[key])}, expected a finite number. It is '
            'forgotten: the next evaluation is the best one so far, and '
            'the checkpoint that was the best one stays'
        )
        del info[key]
        info.pop(str(key).replace('score', 'ckpt', 1), None)


def _finite(score: Any) -> Any:
    """A score as a finite number, or None if it is none."""
    try:
        if isinstance(score, torch.Tensor | np.ndarray) and score.ndim == 0:
            score = score.item()
        is_number = isinstance(score, Real | np.bool_)
        return score if is_number and math.isfinite(score) else None
    # An integer out of the range of floats, a tensor without data.
    except (ArithmeticError, RuntimeError, TypeError, ValueError):
        return None


def _check_schedulers(check: _Check, states: Any, runner: Any) -> None:
    from mmengine.optim import _ParamScheduler

    if states is None:
        return
    name = 'param_schedulers'
    check.that(
        isinstance(states, Mapping | list | tuple),
        name,
        states,
        'a list or a dict of lists',
    )
    groups = states.values() if isinstance(states, Mapping) else [states]
    classes = {
        type(scheduler)
        for scheduler in _flat(runner.param_schedulers)
        if isinstance(scheduler, _ParamScheduler)
    } | {_ParamScheduler}
    for group in groups:
        check.that(
            isinstance(group, list | tuple), name, group, 'a list of dicts'
        )
        for state in group:
            check.mapping(f'{name}[...]', state)
            for key in state:
                check.that(
                    isinstance(key, str)
                    and key != 'optimizer'
                    and not any(_is_code(cls, key) for cls in classes),
                    f'{name}[...][{key!r}]',
                    state[key],
                    'no such entry, which replaces a part of the scheduler',
                )


def _is_code(cls: type, name: str) -> bool:
    """Whether a class has a method or a property, not a value, of a name."""
    for base in cls.__mro__:
        if name in vars(base):
            found = vars(base)[name]
            return (
                callable(found)
                or isinstance(found, classmethod)
                or inspect.isdatadescriptor(found)
            )
    return False


def _flat(schedulers: Any) -> Iterator[Any]:
    if isinstance(schedulers, Mapping):
        schedulers = list(schedulers.values())
    if isinstance(schedulers, list | tuple):
        for scheduler in schedulers:
            yield from _flat(scheduler)
    else:
        yield schedulers


# ----------------------------------------------------------------------- paths


def _in_own_folder(before_train: Callable) -> Callable:
    @functools.wraps(before_train)
    def forget_foreign_paths(self, runner) -> None:
        info = runner.message_hub.runtime_info
        folder = folder_of(self.out_dir, runner.work_dir)
        forgotten = {
            key: info.pop(key)
            for key in list(info)
            if _is_path(key)
            and not _is_own(info[key], folder, self.filename_tmpl, key)
        }
        if forgotten:
            _warn(
                'The checkpoint that is resumed names files that are not of '
                f'this run, in {folder}: '
                + ', '.join(
                    f'{key}={_brief(v)}' for key, v in forgotten.items()
                )
                + '. They stay as they are and are forgotten. This is so '
                'where a run was moved, or goes on in another work dir'
            )
        if 'keep_ckpt_ids' in info:
            info['keep_ckpt_ids'] = _steps(info['keep_ckpt_ids'])
        before_train(self, runner)

    return forget_foreign_paths


def _is_path(key: Any) -> bool:
    return key == 'last_ckpt' or str(key).startswith('best_ckpt')


def _is_own(path: Any, folder: str, template: str, key: str) -> bool:
    """Whether a hook of this folder has written the file."""
    if not isinstance(path, str) or '\0' in path:
        return False
    directory, _, name = path.rpartition('/')
    pattern = checkpoint_pattern(template).pattern
    if key != 'last_ckpt':
        pattern = rf'best_[^/\\]+_{pattern}'
    if not re.fullmatch(pattern, name):
        return False
    if '://' in folder:
        return directory == folder.rstrip('/')
    found = Path(path)
    return (
        not found.is_symlink()
        and found.is_file()
        and found.resolve().parent == Path(folder).resolve()
    )


def _steps(value: Any) -> list[int]:
    listed = value if isinstance(value, list | tuple) else []
    steps = [step for step in listed if _is_count(step)]
    if not isinstance(value, list | tuple) or len(steps) < len(listed):
        _warn(
            'The checkpoint that is resumed has entries of keep_ckpt_ids that '
            'are no steps. They are forgotten: expected integers of at least 0'
        )
    return steps


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 0


def _warn(message: str) -> None:
    from mmengine.logging import print_log

    print_log(message, logger='current', level=logging.WARNING)
