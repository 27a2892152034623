"""Shows that each guard is held by a test: without it, that test fails.

    python -m tests.planted_faults             # all of them
    python -m tests.planted_faults save lock   # some

For each guard the repository is copied, the guard taken out of the copy, and
the test run there, which has to fail. Before, it has to pass in a copy with
the guard. Prints a table; ends with exit code 1 if a guard is held by nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.commands import ROOT


@dataclass(frozen=True)
class Plant:
    """A guard and how to take it out.

    Attributes:
        file: Where it is.
        guard: Its text, which stands there once.
        without: What replaces it.
        test: What has to fail, as pytest names it; with options.
    """

    file: str
    guard: str
    without: str
    test: str


PLANTS = {
    'save: written under the final name': Plant(
        'cankd_mm/checkpoint/whole_file.py',
        '        descriptor, unfinished = _open_unfinished(path)\n',
        '        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC\n'
        '        descriptor, unfinished = os.open(path, flags), path\n',
        'tests/test_reliability/test_crash_points.py -k "epoch and 0"',
    ),
    'save: not flushed to the disk': Plant(
        'cankd_mm/checkpoint/whole_file.py',
        '            os.fsync(file.fileno())\n',
        '',
        'tests/test_checkpoint/test_whole_file.py -k disk',
    ),
    'save: the old checkpoint goes first': Plant(
        'cankd_mm/compat/checkpoint_saving.py',
        '        self._kept.append((remove, path))\n',
        '        remove(path)\n',
        'tests/test_reliability/test_crash_points.py -k "epoch and 0"',
    ),
    'save: replaced files are not noted': Plant(
        'cankd_mm/checkpoint/pending_removal.py',
        '[Path(path).name for path in paths]',
        '[]',
        'tests/test_reliability/test_crash_points.py -k epoch',
    ),
    'save: a best checkpoint is not adopted': Plant(
        'cankd_mm/checkpoint/interrupted_save.py',
        '    replaced += _adopt_best(hook, runner, resumed)\n',
        '',
        'tests/test_reliability/test_crash_points.py',
    ),
    "save: the student's copy may end a run": Plant(
        'cankd_mm/engine/student_checkpoint_hook.py',
        '        except Exception as error:\n',
        '        except ZeroDivisionError as error:\n',
        'tests/test_reliability/test_full_disk.py -k student',
    ),
    'save: a full disk without a name': Plant(
        'cankd_mm/checkpoint/whole_file.py',
        '        raise _named(cause, path) from error\n    flush',
        '        raise\n    flush',
        'tests/test_reliability/test_full_disk.py -k disk_that_is_full',
    ),
    'lock: training takes none': Plant(
        'cankd_mm/engine/runner/work_dir.py',
        'if rank(cfg.launcher) != 0:',
        'if True:',
        'tests/test_reliability/test_work_dir.py -k refused_by_name',
    ),
    'lock: created without exclusion': Plant(
        'cankd_mm/engine/runner/work_dir_lock.py',
        "open(path, 'x')",
        "open(path, 'w')",
        'tests/test_engine/test_runner/test_work_dir_lock.py -k at_once',
    ),
    'lock: the listing may be out of date': Plant(
        'cankd_mm/engine/runner/work_dir_lock.py',
        '            if all(\n',
        '            if True or all(\n',
        'tests/test_engine/test_runner/test_work_dir_lock.py -k outdated',
    ),
    'lock: no heartbeat': Plant(
        'cankd_mm/engine/runner/work_dir_lock.py',
        '                os.utime(path)\n',
        '',
        'tests/test_engine/test_runner/test_work_dir_lock.py -k heartbeat',
    ),
    'lock: only heartbeats count': Plant(
        'cankd_mm/engine/runner/work_dir_lock.py',
        'if sees is not None and',
        'if False and',
        'tests/test_reliability/test_work_dir.py -k dead_process',
    ),
    'lock: clocks of hosts are compared': Plant(
        'cankd_mm/engine/runner/file_system_time.py',
        'return os.fstat(file.fileno()).st_mtime_ns',
        "return __import__('time').time() * 1e9",
        'tests/test_engine/test_runner/test_work_dir_lock.py -k hosts_clock',
    ),
    'lock: what seems to be old is dead': Plant(
        'cankd_mm/engine/runner/work_dir_lock.py',
        '        watch = _MISSED * self.interval\n',
        '        watch = 0.0\n',
        'tests/test_engine/test_runner/test_work_dir_lock.py -k living_holder',
    ),
    'lock: a signal leaves it': Plant(
        'cankd_mm/engine/runner/work_dir.py',
        '            lock.release()\n        signal.signal',
        '            pass\n        signal.signal',
        'tests/test_reliability/test_work_dir.py -k after_a_signal',
    ),
    'lock: unfinished files stay': Plant(
        'cankd_mm/engine/runner/work_dir.py',
        '                path.unlink()\n',
        '                continue\n',
        'tests/test_reliability/test_work_dir.py -k cleans_up',
    ),
    'lock: files of others are removed': Plant(
        'cankd_mm/engine/runner/work_dir.py',
        'if not is_own and not _is_old(path)',
        'if False',
        'tests/test_engine/test_runner/test_work_dir.py -k export',
    ),
    'resume: last_checkpoint does not count': Plant(
        'cankd_mm/engine/runner/resume.py',
        '        if self.last in self.recorded:\n',
        '        if False:\n',
        'tests/test_engine/test_runner/test_resume.py -k later_training',
    ),
    'resume: a damaged file ends it': Plant(
        'cankd_mm/engine/runner/resume.py',
        'except (OSError, ValueError) as error',
        'except ZeroDivisionError as error',
        'tests/test_reliability/test_work_dir.py -k newest_readable',
    ),
    'resume: names count, not progress': Plant(
        'cankd_mm/engine/runner/resume.py',
        'sorted(candidates, reverse=True)',
        'candidates',
        'tests/test_engine/test_runner/test_resume.py -k most_iterations',
    ),
    'resume: of nothing starts anew': Plant(
        'cankd_mm/engine/runner/resume.py',
        '    if requested == AUTO:\n',
        '    if True:\n',
        'tests/test_reliability/test_work_dir.py -k empty_work_dir',
    ),
    'resume: any file is a training': Plant(
        'cankd_mm/engine/runner/resume.py',
        '    if absent:\n',
        '    if False:\n',
        'tests/test_reliability/test_work_dir.py -k foreign_file',
    ),
    'resume: each process chooses for itself': Plant(
        'cankd_mm/engine/runner/resume.py',
        'if get_world_size() > 1:',
        'if False:',
        'tests/test_reliability/test_work_dir.py -k all_processes',
    ),
    'file: checksums are not verified': Plant(
        'cankd_mm/checkpoint/integrity.py',
        '        return [\n            record.filename',
        '        return [] and [\n            record.filename',
        'tests/test_reliability/test_bad_files.py -k damaged',
    ),
    'file: what it is does not count': Plant(
        'cankd_mm/checkpoint/file_kind.py',
        '    if kind is not None:\n',
        '    if False:\n',
        'tests/test_reliability/test_bad_files.py -k "test-html or test-json"',
    ),
    'file: a young file is not read again': Plant(
        'cankd_mm/checkpoint/integrity.py',
        '> _SETTLED_SECONDS',
        '> -1',
        'tests/test_checkpoint/test_integrity.py -k young',
    ),
    "file: MMEngine's loader finds no damage": Plant(
        'cankd_mm/compat/checkpoint_loading.py',
        "with reading(file, 'checkpoint'):",
        'with contextlib.nullcontext():',
        'tests/test_checkpoint/test_integrity.py -k mmengine',
    ),
    'file: half a name is a class': Plant(
        'cankd_mm/checkpoint/integrity.py',
        '    if _is_cut_off(path):\n',
        '    if False:\n',
        'tests/test_checkpoint/test_integrity.py -k ends_anywhere',
    ),
    'file: a comma makes a tuple': Plant(
        'cankd_mm/utils/config_path.py',
        '    if isinstance(path, str | os.PathLike):\n'
        '        return os.fspath(path)\n',
        '    return path\n',
        'tests/test_reliability/test_bad_files.py -k comma_behind',
    ),
    'file: load_from is not checked': Plant(
        'cankd_mm/config_checks/checks.py',
        '    start_weights.check,\n',
        '',
        'tests/test_config_checks/test_start_weights.py',
    ),
    'file: load_from without checks': Plant(
        'cankd_mm/engine/training.py',
        '        require_load_from(cfg)\n',
        '        pass\n',
        'tests/test_reliability/test_bad_files.py '
        '-k "no-check and load_from and html"',
    ),
    'weights: NaN passes': Plant(
        'cankd_mm/checkpoint/finite_weights.py',
        '            if not _is_by_design(value, own.get(name)):\n',
        '            if False:\n',
        'tests/test_utils/test_student_export.py -k finite',
    ),
    'publish: all of a distillation': Plant(
        'cankd_mm/checkpoint/publishing.py',
        'weights = student_state_dict(state)',
        'weights = state',
        'tests/test_tools/test_publish_checkpoint.py -k distillation',
    ),
    'publish: half precision overflows': Plant(
        'cankd_mm/checkpoint/publishing.py',
        'reason = spoiled_by_half(name, value)',
        'reason = None',
        'tests/test_tools/test_publish_checkpoint.py -k half_keeps',
    ),
    'publish: over its own source': Plant(
        'cankd_mm/checkpoint/publishing.py',
        'if both_exist and',
        'if False and',
        'tests/test_tools/test_publish_checkpoint.py -k itself',
    ),
    'publish: under the final name': Plant(
        'cankd_mm/checkpoint/publishing.py',
        '    save_whole(dict(meta=meta, state_dict=weights), out)\n',
        '    Path(out).parent.mkdir(parents=True, exist_ok=True)\n'
        '    torch.save(dict(meta=meta, state_dict=weights), out)\n',
        'tests/test_tools/test_publish_checkpoint.py -k full_disk',
    ),
    'publish: pages are left out of the sdist': Plant(
        'MANIFEST.in',
        'graft docs\n',
        '',
        'tests/test_packaging.py -k sdist',
    ),
    'hostile: pickles are read without a list': Plant(
        'cankd_mm/compat/checkpoint_loading.py',
        'file, map_location=map_location, weights_only=True',
        'file, map_location=map_location, weights_only=False',
        'tests/test_reliability/test_hostile_checkpoints.py -k no_pickle_runs',
    ),
    'hostile: config texts are executed': Plant(
        'cankd_mm/compat/checkpoint_config.py',
        '    Config.fromstring = staticmethod(parse)\n',
        '    pass\n',
        'tests/test_reliability/test_hostile_checkpoints.py'
        ' -k no_config_text_runs',
    ),
    'hostile: any scope is imported': Plant(
        'cankd_mm/compat/checkpoint_inference.py',
        'if not _is_known(scope) and name not in sys.modules:',
        'if False:',
        'tests/test_reliability/test_hostile_checkpoints.py -k nothing_runs',
    ),
    'hostile: paths of a checkpoint are followed': Plant(
        'cankd_mm/compat/checkpoint_resume.py',
        'and not _is_own(info[key], folder, self.filename_tmpl, key)',
        'and False',
        'tests/test_reliability/test_hostile_checkpoints.py -k no_path',
    ),
    'NaN: no hook in a run': Plant(
        'cankd_mm/engine/training.py',
        '    guard_losses(runner)\n',
        '',
        'tests/test_reliability/test_non_finite.py -k diverging',
    ),
    'NaN: weights that are not finite are saved': Plant(
        'cankd_mm/engine/hooks/non_finite_loss_hook.py',
        '            if found:\n',
        '            if False:\n',
        'tests/test_engine/test_non_finite_loss_hook.py',
    ),
    'off: weight 0 multiplies by 0': Plant(
        'cankd_mm/algorithms/distilled.py',
        '        if not self.distills:\n            losses',
        '        if False:\n            losses',
        'tests/test_algorithms/test_distillation_off.py',
    ),
    'losses: NaN is a finite loss': Plant(
        'cankd_mm/losses/finite_inputs.py',
        '    return _checked.get()\n',
        '    return False\n',
        'tests/test_losses/test_finite_inputs.py',
    ),
    'losses: what is not finite gets lost': Plant(
        'cankd_mm/losses/finite_inputs.py',
        '    return loss * factor\n',
        '    return loss\n',
        'tests/test_losses/test_finite_inputs.py -k carries',
    ),
    'losses: overflows are computed with': Plant(
        'cankd_mm/losses/finite_inputs.py',
        '    if peak > largest:\n',
        '    if False:\n',
        'tests/test_reliability/test_fuzz_losses.py -k large_values',
    ),
    'losses: a loss that overflows is returned': Plant(
        'cankd_mm/losses/finite_inputs.py',
        'not abs(loss.item()) <= LARGEST_LOSS',
        'False',
        'tests/test_losses/test_finite_inputs.py -k overflows',
    ),
    'losses: empty features pass': Plant(
        'cankd_mm/utils/levels.py',
        '    if not feature.numel():\n',
        '    if False:\n',
        'tests/test_losses/test_finite_inputs.py -k empty',
    ),
    'losses: integers are features': Plant(
        'cankd_mm/utils/levels.py',
        '    if feature.dtype not in FLOATS:\n',
        '    if False:\n',
        'tests/test_losses/test_finite_inputs.py -k types',
    ),
    'connectors: overflows of half precision pass': Plant(
        'cankd_mm/connectors/checked_convolution.py',
        '    check_values(name, output, torch.finfo(output.dtype).max)\n',
        '',
        'tests/test_connectors/test_bad_features.py -k outputs',
    ),
    'mathematics: the teacher of LAKD gets a gradient': Plant(
        'cankd_mm/losses/lakd_loss.py',
        't.detach()',
        't',
        'tests/test_losses/test_lakd_loss.py -k teacher_gets',
    ),
    'mathematics: LAKD projects in half precision': Plant(
        'cankd_mm/losses/lakd_loss.py',
        '            with no_autocast(s):\n',
        '            if True:\n',
        'tests/test_losses/test_lakd_loss.py -k of_a_projection',
    ),
    'mathematics: LAKD sees no small activations': Plant(
        'cankd_mm/functional/lakd.py',
        '_EPS = 1e-6',
        '_EPS = 1e-2',
        'tests/test_losses/test_lakd_loss.py -k size_of_the_activations',
    ),
    'mathematics: a model catches the end of a forward': Plant(
        'cankd_mm/algorithms/recorded_forward.py',
        '(BaseException)',
        '(Exception)',
        'tests/test_algorithms/test_recorded_forward.py',
    ),
    **{
        f'mathematics: second derivatives of {name} are wrong': Plant(
            f'cankd_mm/functional/{name}.py',
            '    @first_derivatives_only\n',
            '',
            'tests/test_functional/test_first_derivatives.py',
        )
        for name in (
            'cankd',
            'channel_sums',
            'covariances',
            'pooled_projection',
            'residual_error',
        )
    },
    'steps: hooks on the modules stay': Plant(
        'cankd_mm/algorithms/records.py',
        '        stack.callback(handle.remove)\n',
        '',
        'tests/test_reliability/test_long_run.py -k held',
    ),
    'data: no box is no error': Plant(
        'cankd_mm/datasets/inspection/verdict.py',
        'verdict.errors += [no_box(record) for record in counted]',
        'pass',
        'tests/test_reliability/test_bad_data.py -k ids',
    ),
    'data: boxes without a size pass': Plant(
        'cankd_mm/datasets/inspection/verdict.py',
        '        if record.degenerate:\n',
        '        if False:\n',
        'tests/test_reliability/test_bad_data.py -k xmax',
    ),
    'data: classes without a box pass': Plant(
        'cankd_mm/datasets/inspection/verdict.py',
        '    if not without:\n',
        '    if True:\n',
        'tests/test_reliability/test_bad_data.py -k most',
    ),
    'data: the size of masks does not count': Plant(
        'cankd_mm/datasets/inspection/sample.py',
        '        if mask.shape != image.shape[:2]:\n',
        '        if False:\n',
        "tests/test_reliability/test_bad_data.py -k 'masks_of and another'",
    ),
    'data: any label passes': Plant(
        'cankd_mm/datasets/inspection/sample.py',
        '        if self.classes and outside:\n',
        '        if False:\n',
        "tests/test_reliability/test_bad_data.py -k 'masks_of and label'",
    ),
    'data: failures of loading have no file': Plant(
        'cankd_mm/datasets/inspection/loading.py',
        '    if _is_of_the_libraries(dataset):\n',
        '    if False:\n',
        'tests/test_reliability/test_bad_data.py -k compressed',
    ),
    'data: failures of XML have no file': Plant(
        'cankd_mm/datasets/inspection/voc.py',
        '                raise _located(raw, record, error) from error\n',
        '                raise\n',
        'tests/test_reliability/test_bad_data.py -k XML',
    ),
    'data: looking draws random numbers': Plant(
        'cankd_mm/engine/hooks/training_data_hook.py',
        '            _log(verdict)\n',
        "            __import__('torch').rand(1)\n            _log(verdict)\n",
        'tests/test_engine/test_training_data_hook.py -k bit_for_bit',
    ),
}


def main(names: list[str]) -> int:
    """Tries the guards whose names begin with one of these, or all."""
    chosen = {
        name: plant
        for name, plant in PLANTS.items()
        if not names or name.startswith(tuple(names))
    }
    held = True
    for name, plant in chosen.items():
        with tempfile.TemporaryDirectory() as folder:
            copy = _copy(Path(folder) / 'copy')
            file = copy / plant.file
            text = file.read_text()
            if text.count(plant.guard) != 1:
                raise SystemExit(f'{name}: not once in {plant.file}')
            # A test that fails anyway holds nothing.
            passes = _run(copy, plant.test)[0] == 0
            file.write_text(text.replace(plant.guard, plant.without))
            code, last = _run(copy, plant.test)
        good = passes and code == 1
        held = held and good
        verdict = 'held' if good else 'NOT HELD'
        print(f'{name:45} {verdict:9} {last}', flush=True)
    return int(not held)


def _copy(folder: Path) -> Path:
    listed = subprocess.run(
        ['git', 'ls-files', '-co', '--exclude-standard'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _run(folder: Path, test: str) -> tuple[int, str]:
    """The exit code of pytest and its last line."""
    done = subprocess.run(
        f'{sys.executable} -m pytest -q -x -n 0 -p no:cacheprovider {test}',
        shell=True,
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(folder), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1].strip('= ') if lines else ''


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
