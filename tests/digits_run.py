"""A short distillation of digits with a student that detects already.

The student is as large as the shipped teacher and starts from its weights,
so that a few careful iterations end with an mAP far from zero.
"""

import re
from pathlib import Path

DISTILLATION = 'configs/digits/cankd_retinanet.py'
PLAIN = 'configs/digits/baseline_retinanet.py'
TEACHER = 'configs/digits/teacher_retinanet.pth'


def student_options(prefix: str) -> list[str]:
    """Makes the model under ``prefix`` as large as the teacher."""
    return [
        f'{prefix}.backbone.base_channels=48',
        f'{prefix}.backbone.stem_channels=48',
        f'{prefix}.neck.in_channels=[48,96,192]',
        f'{prefix}.bbox_head.stacked_convs=2',
    ]


def data_options() -> list[str]:
    """Uses few images."""
    return [
        'train_dataloader.dataset.indices=16',
        'val_dataloader.dataset.indices=24',
        'test_dataloader.dataset.indices=24',
    ]


def training_options(epochs: int = 1) -> list[str]:
    """Four iterations an epoch, each logged."""
    return [
        f'train_cfg.max_epochs={epochs}',
        'train_dataloader.batch_size=4',
        'optim_wrapper.optimizer.lr=1e-5',
        'default_hooks.logger.interval=1',
    ]


def last_map(output: str) -> float:
    """The last mAP in a log, in [0, 1]."""
    return float(re.findall(r'coco/bbox_mAP: (\S+)', output)[-1])


def log_of(work_dir: Path) -> str:
    """The log file of a run's only start, which its first process writes.

    What several processes print can be mixed within a line.
    """
    (log,) = work_dir.glob('*/*.log')
    return log.read_text()
