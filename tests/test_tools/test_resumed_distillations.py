"""A distillation goes on from its own checkpoints, whatever its teacher."""

import torch

from tests.digits_run import (
    DISTILLATION,
    PLAIN,
    data_options,
    training_options,
)
from tests.forked_tools import fork_tool, fork_tool_unchecked


def train(work_dir, epochs: int, *arguments, config=DISTILLATION, options=()):
    return fork_tool_unchecked(
        'train.py',
        config,
        *('--work-dir', work_dir, *arguments, '--cfg-options'),
        *data_options(),
        *training_options(epochs),
        *options,
    )


def test_another_teacher_and_its_form_may_be_resumed_with(tmp_path):
    code, output = train(tmp_path, 1)
    assert code == 0, output[-2000:]
    # Other parameters of the teacher are not in the optimizer's state.
    code, output = train(
        tmp_path,
        2,
        '--resume',
        options=[
            'model.fold_teacher_norms=False',
            'model.teacher_dtype=bfloat16',
        ],
    )
    assert code == 0, output[-2000:]
    assert (tmp_path / 'epoch_2.pth').exists()


def test_layouts_that_cannot_go_on_are_named_with_the_remedy(tmp_path):
    fork_tool(
        'train.py',
        DISTILLATION,
        *('--work-dir', tmp_path / 'first', '--cfg-options'),
        *data_options(),
        *training_options(),
    )
    path = tmp_path / 'first' / 'epoch_1.pth'
    content = torch.load(path, weights_only=False)
    state = content['state_dict']
    own = {k: v for k, v in state.items() if not k.startswith('distiller.')}
    layouts = {
        "found a student under 'architecture.'": {
            **{f'architecture.{k}': v for k, v in own.items()},
            **{k: v for k, v in state.items() if k not in own},
        },
        'without a distiller': own,
    }
    for words, layout in layouts.items():
        torch.save({**content, 'state_dict': layout}, path)
        code, output = train(tmp_path / 'second', 2, '--resume', path)
        assert code != 0 and words in output, output[-2000:]
        assert '--student-ckpt' in output
        # As weights to start from, both are understood.
        code, output = train(
            tmp_path / 'third', 1, '--force', options=[f'load_from={path}']
        )
        assert code == 0, output[-2000:]


def test_plain_config_takes_the_checkpoint_of_a_distillation(tmp_path):
    code, output = train(tmp_path / 'first', 1)
    assert code == 0, output[-2000:]
    code, output = train(
        tmp_path / 'plain',
        1,
        config=PLAIN,
        options=[f'load_from={tmp_path / "first" / "epoch_1.pth"}'],
    )
    assert code == 0, output[-2000:]
