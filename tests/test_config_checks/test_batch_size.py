"""The learning rate is made for the batch size of the run."""

import pytest


def test_run_on_more_gpus_than_the_config_is_made_for(lint):
    code, (finding,) = lint('', '--gpus', 4)
    assert code == 1
    assert finding == (
        'warning  optim_wrapper.optimizer.lr: the learning rate 0.002 is made '
        'for 16 images a step; this run has 64. With --auto-scale-lr it would '
        'be 0.008'
    )


@pytest.mark.parametrize(
    'body, gpus',
    [
        ('', 1),
        ('auto_scale_lr = dict(enable=True)', 4),
        ('train_dataloader = dict(batch_size=4)', 4),
        (
            'train_dataloader = dict(batch_size=4)\n'
            'optim_wrapper = dict(accumulative_counts=2)',
            2,
        ),
        ('auto_scale_lr = None', 4),
    ],
)
def test_learning_rate_that_fits(lint, body, gpus):
    assert lint(body, '--gpus', gpus) == (0, [])


def test_batch_size_that_no_number_of_gpus_makes(lint):
    _, (finding,) = lint('train_dataloader = dict(batch_size=6)')
    assert 'base_batch_size: 16' in finding and 'multiple of 6' in finding


def test_number_of_gpus_is_nobodys_business_otherwise(lint):
    assert lint('train_dataloader = dict(batch_size=2)') == (0, [])
