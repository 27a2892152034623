"""The launch scripts start real processes."""

import os
import stat

import torch

from tests.commands import launch, run
from tests.digits_run import (
    DISTILLATION,
    TEACHER,
    data_options,
    last_map,
    log_of,
    student_options,
    training_options,
)


def test_two_processes_train_and_test_without_a_gpu(tmp_path):
    output = launch(
        'dist_train.sh',
        DISTILLATION,
        2,
        '--work-dir',
        tmp_path,
        '--student-ckpt',
        TEACHER,
        '--cfg-options',
        *student_options('model.architecture'),
        *data_options(),
        *training_options(),
    )
    log = log_of(tmp_path)
    # 16 images, 4 a process: two iterations.
    assert 'Epoch(train) [1][2/2]' in log
    assert 'find_unused_parameters=True' not in output
    assert last_map(log) > 0.5
    assert (tmp_path / 'epoch_1_student.pth').exists()

    launch(
        'dist_test.sh',
        DISTILLATION,
        tmp_path / 'epoch_1.pth',
        2,
        '--work-dir',
        tmp_path / 'test',
        '--cfg-options',
        *student_options('model.architecture'),
        *data_options(),
    )
    assert last_map(log_of(tmp_path / 'test')) == last_map(log)


def test_stopped_distillation_trains_on_in_two_processes(tmp_path):
    # A skipped loss would leave DDP waiting for its gradients.
    launch(
        'dist_train.sh',
        DISTILLATION,
        2,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'default_hooks.stop.type=mmrazor.StopDistillHook',
        'default_hooks.stop.stop_epoch=1',
        'log_processor.window_size=1',
        *data_options(),
        *training_options(epochs=2),
    )
    log = log_of(tmp_path)
    assert 'Distillation has been stopped!' in log
    assert 'Epoch(train) [2][2/2]' in log
    assert 'distill.loss_cankd: 0.0000' in log
    state = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    assert all(v.isfinite().all() for v in state['state_dict'].values())


def test_slurm_scripts_hand_everything_to_srun(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
    environment = dict(
        PATH=f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
        GPUS='4',
        SRUN_ARGS='--qos high',
    )
    trained = run(
        'bash',
        'tools/slurm_train.sh',
        *('part', 'job', 'config.py', 'a folder', '--seed', '1'),
        **environment,
    ).splitlines()
    assert {'--partition=part', '--job-name=job', '--ntasks=4'} <= set(trained)
    assert '--gres=gpu:4' in trained
    assert trained[trained.index('--work-dir') + 1] == 'a folder'
    assert trained[-2:] == ['--launcher', 'slurm']
    assert trained[trained.index('--qos') + 1] == 'high'
    tested = run(
        'bash',
        'tools/slurm_test.sh',
        *('part', 'job', 'config.py', 'last.pth', '--out', 'x.pkl'),
        **environment,
    ).splitlines()
    start = tested.index('config.py')
    assert tested[start - 1].endswith('test.py')
    assert tested[start : start + 2] == ['config.py', 'last.pth']
