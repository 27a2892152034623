"""Every digits distillation by the commands that its README gives."""

import re

import pytest

from cankd_mm.datasets.digits_annotations import SEGMENTATION_CLASSES
from tests.commands import ROOT
from tests.digits_run import data_options
from tests.forked_tools import fork_tool

CONFIGS = sorted(
    path
    for path in (ROOT / 'configs' / 'digits').glob('*.py')
    if not path.stem.startswith(('teacher_', 'baseline_'))
)
NUM_CLASSES = len(SEGMENTATION_CLASSES)
METRICS = re.compile(r'(coco/bbox_mAP|aAcc|mIoU): (\S+)')


def scores(output: str) -> dict[str, float]:
    """The last value of each metric in a log, as far as logs print it."""
    return {
        name: round(float(value), 3) for name, value in METRICS.findall(output)
    }


def finds_digits(last: dict[str, float]) -> bool:
    """Whether these are not the scores of a student that knows nothing.

    One that says background everywhere has the IoU aAcc there, and 0 in the
    other classes.
    """
    if 'mIoU' in last:
        return last['mIoU'] > 1.05 * last['aAcc'] / NUM_CLASSES
    return last['coco/bbox_mAP'] > 0.01


@pytest.mark.slow
@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_student_file_scores_as_the_distillation_checkpoint(path, tmp_path):
    config = str(path.relative_to(ROOT))
    baseline = f'configs/digits/baseline_{path.stem.split("_", 1)[1]}.py'
    options = ['--work-dir', tmp_path, '--cfg-options', *data_options()]
    # A sixth of the images, in nearly as many steps: enough to find digits.
    trained = fork_tool(
        *('train.py', config, *options),
        'train_dataloader.dataset.indices=256',
        'train_dataloader.batch_size=4',
        'train_cfg.val_interval=4',
    )
    last = scores(trained)
    assert finds_digits(last)
    assert 'distill.loss' in trained
    (student,) = tmp_path.glob('epoch_*_student.pth')
    checkpoint = student.with_name(student.name.replace('_student', ''))
    distilled = fork_tool('test.py', config, checkpoint, *options)
    alone = fork_tool('test.py', baseline, student, *options)
    assert scores(distilled) == scores(alone) == last
