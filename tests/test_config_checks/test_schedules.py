"""Schedules that are made for a longer run are reported."""

import pytest

EPOCHS = 'train_cfg = dict(max_epochs=1)'
ITERATIONS = """
train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=60, val_interval=60)
"""
MILESTONES = "dict(type='MultiStepLR', milestones=[1, 3], end=12)"
WARM_UP = "dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=1500)"
LATE = "dict(type='CosineAnnealingLR', by_epoch=False, begin=90, end=160)"


@pytest.mark.parametrize(
    'loop, schedule, found, limit',
    [
        (EPOCHS, MILESTONES, 'milestones: 3', 'train_cfg.max_epochs=1'),
        (ITERATIONS, WARM_UP, 'end: 1500', 'train_cfg.max_iters=60'),
        (ITERATIONS, LATE, 'begin: 90', 'train_cfg.max_iters=60'),
    ],
)
def test_schedule_beyond_the_end_is_a_warning(
    lint, loop, schedule, found, limit
):
    _, findings = lint(f'{loop}\nparam_scheduler = [{schedule}]')
    key, length = limit.split('=')
    assert [f for f in findings if 'param_scheduler' in f] == [
        f'warning  param_scheduler[0].{found}, and the run ends at {limit}: '
        f'the learning rate never gets there; expected at most {length}. '
        f'Shorten the schedule, or lengthen the run ({key})'
    ]


@pytest.mark.parametrize(
    'loop, schedule',
    [
        # Iterations in a run of epochs: nobody knows.
        (EPOCHS, WARM_UP),
        (EPOCHS, "dict(type='CosineAnnealingLR', T_max=100, end=100)"),
        (ITERATIONS, "dict(type='PolyLR', by_epoch=False, end=60)"),
    ],
)
def test_what_fits_or_cannot_be_compared_passes(lint, loop, schedule):
    _, findings = lint(f'{loop}\nparam_scheduler = [{schedule}]')
    assert not [f for f in findings if 'param_scheduler' in f]
