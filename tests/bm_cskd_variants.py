"""Dense forms of CSKD on the digits, several seeds each.

    python -m tests.bm_cskd_variants --task segmentation
    python -m tests.bm_cskd_variants --task detection --seeds 0 1 2

Trains the student of ``configs/digits`` alone and with each form, and prints
the score on the validation images after the last epoch. Every run is a
process of its own on one thread and leaves its score in the work directory;
what is there is not run again. Forms that the package does not ship live in
this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import torch.nn.functional as F
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from cankd_mm.functional import cskd
from cankd_mm.losses.cskd_loss import MODELS, CSKDLoss
from tests.commands import ROOT

MODEL = dict(segmentation='segformer', detection='retinanet-pvt')
METRIC = dict(segmentation='mIoU', detection='coco/bbox_mAP')
FACTOR = dict(segmentation=1.0, detection=100.0)  # to percent


class FadingLoss(CSKDLoss):
    """The responses of the positions alone, which fade out."""

    def _loss(self, students, teachers, labels, progress):
        loss = super()._loss(students, teachers, labels, progress=0.0)
        return cskd.schedule_weight(progress, self.schedule) * loss


class FloorLoss(CSKDLoss):
    """The published fusion with a weight that stops at one half."""

    def _loss(self, students, teachers, labels, progress):
        return super()._loss(students, teachers, labels, progress / 2)


class ContextLoss(CSKDLoss):
    """The response of a growing neighbourhood in place of the image's.

    It is that of a coarser grid, whose side falls from the map's to four.
    """

    def _loss(self, students, teachers, labels, progress):
        grid = cskd.common_grid(students, teachers)
        s, t = self._cells(students, grid), self._cells(teachers, grid)
        target = self._target(t)
        alpha = cskd.schedule_weight(progress, self.schedule)
        coarser = [round(4 + (side - 4) * alpha) for side in grid]
        softmax = self.activation == 'softmax'
        pool = F.adaptive_avg_pool2d if softmax else F.adaptive_max_pool2d
        context = F.interpolate(pool(target, coarser), grid, mode='nearest')
        target = alpha * target + (1 - alpha) * context
        valid = self._valid(labels, s)
        return cskd.masked_mean(self._divergence(s, target), valid)


# Name, loss and what it changes in the settings of the config.
FORMS = {
    'student alone': (None, {}),
    'decoupled': (CSKDLoss, dict(global_term='decoupled')),
    'growing context': (ContextLoss, {}),
    'fused, down to 0.5': (FloorLoss, dict(global_term='fused')),
    'fused, as published': (CSKDLoss, dict(global_term='fused')),
    'local, constant': (CSKDLoss, dict(schedule='constant')),
    'local, fading': (FadingLoss, {}),
    'decoupled, hard': (CSKDLoss, dict(global_term='decoupled', hard=True)),
}


def config(args: argparse.Namespace, form: str, seed: int) -> Config:
    """The config of one run."""
    loss, settings = FORMS[form]
    kind = 'cskd' if loss else 'baseline'
    path = ROOT / 'configs' / 'digits' / f'{kind}_{MODEL[args.task]}.py'
    cfg = Config.fromfile(path)
    if loss:
        MODELS.register_module(module=loss, force=True)
        cfg.model.distiller.distill_losses.loss_cskd.update(
            type=loss.__name__, **settings
        )
    cfg.merge_from_dict(args.cfg_options)
    cfg.randomness.seed = seed
    cfg.work_dir = str(args.work_dir / f'{args.task}-{_slug(form)}-{seed}')
    cfg.train_cfg.val_interval = cfg.train_cfg.max_epochs
    cfg.default_hooks.checkpoint.interval = -1
    for hook in ('student_checkpoint', 'local_backward'):
        cfg.default_hooks.pop(hook, None)
    for split in ('train', 'val', 'test'):
        cfg[f'{split}_dataloader'].dataset.data_root = str(args.data_root)
    return cfg


def run(args: argparse.Namespace, form: str, seed: int) -> float:
    """Trains once and returns the last score in percent."""
    runner = Runner.from_cfg(config(args, form, seed))
    runner.train()
    score = runner.message_hub.get_scalar(f'val/{METRIC[args.task]}')
    return FACTOR[args.task] * score.current()


def score(args: argparse.Namespace, form: str, seed: int) -> float:
    """The score of a run, which is made if it has not been."""
    file = args.work_dir / f'{args.task}-{_slug(form)}-{seed}.json'
    if not file.is_file():
        args.work_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, '-m', 'tests.bm_cskd_variants']
        command += [*sys.argv[1:], '--forms', form, '--seeds', str(seed)]
        environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
        log = file.with_suffix('.log')
        with log.open('w') as output:
            done = subprocess.run(
                [*command, '--result', str(file)],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f'{form}, seed {seed} failed: see {log}')
    return json.loads(file.read_text())


def _slug(form: str) -> str:
    return form.replace(',', '').replace(' ', '-')


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--task', choices=MODEL, default='segmentation')
    parser.add_argument(
        '--forms', nargs='+', choices=FORMS, default=list(FORMS)
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--work-dir', type=Path, default='work_dirs/cskd_variants'
    )
    parser.add_argument('--data-root', type=Path, default='work_dirs/digits')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}
    )
    # Of the process that makes one run.
    parser.add_argument('--result', type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Prints one line for each form."""
    args = parse_args()
    if args.result:
        value = run(args, args.forms[0], args.seeds[0])
        args.result.write_text(json.dumps(value))
        return
    seeds = ''.join(f'{f"seed {seed}":>9}' for seed in args.seeds)
    print(f'{METRIC[args.task] + " in percent":24}{seeds}{"mean":>9}')
    for form in args.forms:
        scores = [score(args, form, seed) for seed in args.seeds]
        line = ''.join(f'{x:9.1f}' for x in [*scores, statistics.mean(scores)])
        print(f'{form:24}{line}', flush=True)


if __name__ == '__main__':
    main()
