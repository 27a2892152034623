"""Runs the quickstart from data to report."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint

import cankd_mm
from cankd_mm.datasets import DigitsSpec, make_digits
from cankd_mm.quickstart.evaluation import (
    Evaluation,
    evaluate,
    time_per_image,
)
from cankd_mm.quickstart.figure import save_report
from cankd_mm.quickstart.progress import Curves, ProgressHook
from cankd_mm.quickstart.table import table
from cankd_mm.utils.student_export import student_path


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        work_dir: Where everything is written; the data goes beside it.
        seed: Seed of both students.
        threads: CPU threads of torch. Models this small gain little from a
            second one, lose much where the cores are shared, and train to
            the same figures only on the same number.
        smoke: A few iterations on a few images, to see that all works. The
            figures mean nothing.
    """

    work_dir: Path = Path('work_dirs/quickstart')
    seed: int = 0
    threads: int = 1
    smoke: bool = False


def quickstart(options: Options) -> dict:
    """Trains two students, evaluates three models, writes the report.

    Both students have the same start, seed and schedule; one learns from the
    teacher as well. ``results.json`` and ``report.png`` are written to the
    work directory. Accuracies are in percent, times in seconds.

    Args:
        options: What the command line says.

    Returns:
        The content of ``results.json``.
    """
    torch.set_num_threads(options.threads)
    seconds: dict[str, float] = {}
    with _timed(seconds, 'total'):
        with _timed(seconds, 'data'):
            folder = make_digits(
                _data_root(options), DigitsSpec(**_data_spec(options))
            )
        _say(f'Digits: real handwriting from scikit-learn, in {folder}')

        _say('1/4  Training the student alone')
        with _timed(seconds, 'baseline'):
            baseline, curve = _train('baseline', 'baseline', options)
        curves = dict(baseline=curve)

        _say('2/4  Training the same student with CanKD')
        with _timed(seconds, 'distilled'):
            distilled, curve = _train('distilled', 'cankd', options)
        curves['distilled'] = curve

        _say('3/4  Evaluating teacher and students')
        with _timed(seconds, 'evaluation'):
            teacher = _configs() / 'teacher_retinanet.pth'
            # The distilled student is a plain detector by now.
            distilled = student_path(distilled)
            results = _evaluate_all(
                dict(
                    teacher=('teacher', teacher),
                    baseline=('baseline', baseline),
                    distilled=('baseline', distilled),
                ),
                options,
            )

        _say('4/4  Painting the report')
        picture = options.work_dir / 'report.png'
        save_report(picture, results, curves)

    report = _report(results, curves, seconds, options)
    path = options.work_dir / 'results.json'
    path.write_text(json.dumps(report, indent=2) + '\n')
    _say(f'\n{table(results)}\n')
    _say(f'picture: {picture}\nfigures: {path}')
    return report


def _train(role: str, config: str, options: Options) -> tuple[Path, Curves]:
    """Trains a student; returns its last checkpoint and its curves."""
    cfg = _config(role, config, options)
    progress = ProgressHook()
    with _quiet(Path(cfg.work_dir)):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(progress)
        runner.train()
    return Path(find_latest_checkpoint(cfg.work_dir)), progress.curves


def _evaluate_all(
    models: dict[str, tuple[str, Path]], options: Options
) -> dict[str, Evaluation]:
    """Evaluates every model of ``role: (config, checkpoint)``."""
    results, runners = {}, {}
    for role, (config, checkpoint) in models.items():
        cfg = _config(f'{role}_evaluation', config, options)
        cfg.load_from = str(checkpoint)
        with _quiet(Path(cfg.work_dir)):
            runners[role] = Runner.from_cfg(cfg)
            results[role] = evaluate(runners[role])
        _say(f'     {role}: {results[role].mAP:.1f} mAP')
    times = time_per_image(
        {role: runner.model for role, runner in runners.items()},
        runners['teacher'].test_dataloader.dataset,
    )
    for role, milliseconds in times.items():
        results[role].ms_per_image = milliseconds
    return results


def _config(folder: str, config: str, options: Options) -> Config:
    """Reads a digits config and applies the options."""
    cfg = Config.fromfile(_configs() / f'{config}_retinanet.py')
    cfg.work_dir = str(options.work_dir / folder)
    # Names the run's logger, which is global: two of one name share a file.
    cfg.experiment_name = folder
    cfg.randomness.seed = options.seed
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset.data_root = str(_data_root(options))
        dataset.spec = _data_spec(options)
    if options.smoke:
        cfg.train_cfg.max_epochs = 1
    return cfg


def _configs() -> Path:
    """The digits configs: of the installed package, or of the repository."""
    package = Path(cankd_mm.__file__).parent
    installed = package / '.mim' / 'configs' / 'digits'
    return (
        installed if installed.is_dir() else package.parent / 'configs/digits'
    )


def _data_root(options: Options) -> Path:
    return options.work_dir.parent / 'digits'


def _data_spec(options: Options) -> dict:
    return dict(num_train=32, num_val=16) if options.smoke else {}


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


@contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Sends what the libraries print to ``console.log``, not the screen."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(folder / 'console.log', 'a') as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        yield


def _say(text: str) -> None:
    print(text, flush=True)


def _report(
    results: dict[str, Evaluation],
    curves: dict[str, Curves],
    seconds: dict[str, float],
    options: Options,
) -> dict:
    report = {name: result.summary() for name, result in results.items()}
    for name, curve in curves.items():
        report[name]['iterations'] = curve.loss[-1][0]
        report[name]['mAP_curve'] = [
            (step, round(score, 1)) for step, score in curve.mAP
        ]
    report['seconds'] = {
        name: round(value, 1) for name, value in seconds.items()
    }
    report['settings'] = dict(
        seed=options.seed,
        smoke=options.smoke,
        device='cuda' if torch.cuda.is_available() else 'cpu',
        threads=options.threads,
        torch=torch.__version__,
    )
    return report
