"""Finishes the save that a stopped run was in the middle of.

A run saves a checkpoint, or the best one and then the last one again, and
removes the files that these replace. Stopped in between, it leaves files
that no checkpoint knows of.
"""

import glob
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import CheckpointLoader, Runner

from cankd_mm.checkpoint.checkpoint_names import is_checkpoint_name
from cankd_mm.checkpoint.pending_removal import (
    names_noted_in,
    note_pending,
    pending_names,
)


def finish_interrupted_save(hook: CheckpointHook, runner: Runner) -> None:
    """Adopt best checkpoints and remove files that others have replaced.

    Does nothing unless the run resumes from a checkpoint of its own folder.

    Args:
        hook: It is ready for training.
        runner: Its message hub is what the checkpoint held.
    """
    resumed = resumed_checkpoint(hook, runner)
    if resumed is None:
        return
    replaced = replaced_names(hook, runner)
    replaced += _adopt_best(hook, runner, resumed)
    # For hooks that keep files beside the checkpoints.
    note_pending(runner.message_hub, replaced)
    if is_main_process():
        _remove_replaced(hook, runner, replaced, resumed)


def resumed_checkpoint(hook: CheckpointHook, runner: Runner) -> Path | None:
    """Return the checkpoint that a run resumes from, if it is its own.

    Args:
        hook: It is ready for training.
        runner: Its message hub is what the checkpoint held.

    Returns:
        None for a fresh run, and where the message hub names a file outside
        of the hook's folder.
    """
    path = runner.message_hub.get_info('last_ckpt')
    if not isinstance(path, str) or not Path(path).is_file():
        return None
    folder = Path(hook.out_dir)
    is_own = Path(path).resolve().parent == folder.resolve()
    return folder / Path(path).name if is_own else None


def replaced_names(hook: CheckpointHook, runner: Runner) -> list[str]:
    """Return the names of the checkpoints that the resumed one replaces.

    Args:
        hook: It is ready for training.
        runner: Its message hub is what the checkpoint held. Names that are
            not those of a checkpoint of the hook are left out.
    """
    return [
        name
        for name in pending_names(runner.message_hub)
        if is_checkpoint_name(name, hook.filename_tmpl)
    ]


def _adopt_best(hook, runner, resumed: Path) -> list[str]:
    """Take over best checkpoints that no other checkpoint knows of.

    A run saves the best checkpoint first, then the last one again, which
    records it. Stopped in between, it leaves a best checkpoint that names
    the last one of the same iteration.

    Returns:
        The names of the best checkpoints that these replace.
    """
    hub, replaced = runner.message_hub, []
    for key in hook.key_indicators if hook.save_best else ():
        suffix = '' if len(hook.key_indicators) == 1 else f'_{key}'
        recorded = hub.get_info(f'best_ckpt{suffix}')
        path = _best_of_this_step(hook, runner, key)
        if path is None or str(path) == recorded:
            continue
        score = _score_of_successor(path, suffix, resumed, recorded)
        if score is None or not _is_better(
            hook, key, score, hub.get_info(f'best_score{suffix}')
        ):
            continue
        hub.update_info(f'best_score{suffix}', score)
        hub.update_info(f'best_ckpt{suffix}', str(path))
        if suffix:
            hook.best_ckpt_path_dict[key] = str(path)
        else:
            hook.best_ckpt_path = str(path)
        runner.logger.info(
            f'{path} with {score:0.4f} {key} was saved right before the run '
            'was stopped. It is the best checkpoint from here on.'
        )
        if recorded:
            replaced.append(Path(recorded).name)
    return replaced


def _best_of_this_step(hook, runner, key: str) -> Path | None:
    """The best checkpoint that the hook saves at the resumed step."""
    step = runner.epoch if hook.by_epoch else runner.iter
    folder = glob.escape(str(hook.out_dir))
    # `auto` becomes the first metric, whose name the hook does not know yet.
    metric = '*' if key == 'auto' else glob.escape(key.replace('/', '_'))
    name = glob.escape(hook.filename_tmpl.format(step).replace('/', '_'))
    found = sorted(glob.glob(f'{folder}/best_{metric}_{name}'))
    return Path(found[0]) if len(found) == 1 else None


def _score_of_successor(
    path: Path, suffix: str, resumed: Path, recorded: str | None
) -> float | None:
    """The score of a best checkpoint that followed the resumed one.

    Of an earlier run in the same folder it may have the same name. It is
    older then, or replaces another file.
    """
    if path.stat().st_mtime_ns < resumed.stat().st_mtime_ns:
        return None
    try:
        content = CheckpointLoader.load_checkpoint(
            str(path), map_location='cpu', logger='silent'
        )
        info = content['message_hub']['runtime_info']
        last = Path(info['last_ckpt']).name
        score = float(info[f'best_score{suffix}'])
    except Exception:
        # Not a file of this run; it stays where it is.
        return None
    follows = last == resumed.name and (
        recorded is None or Path(recorded).name in names_noted_in(info)
    )
    return score if follows else None


def _is_better(hook, key: str, score: float, recorded: float | None) -> bool:
    rule = hook.is_better_than.get(key)
    return recorded is None or rule is None or rule(score, recorded)


def _remove_replaced(hook, runner, names: list[str], resumed: Path) -> None:
    """Remove checkpoints of this hook that the resumed one replaces."""
    saved = resumed.stat().st_mtime_ns
    for name in names:
        path = Path(hook.out_dir, name)
        if (
            path.is_file()
            and path != resumed
            # What was made since then is somebody else's.
            and path.stat().st_mtime_ns <= saved
        ):
            path.unlink(missing_ok=True)
            runner.logger.info(
                f'{path} is removed, as the run that was stopped would have '
                'done next.'
            )
