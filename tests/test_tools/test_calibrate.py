"""``tools/calibrate.py`` by its command line."""

import json
import re
import sys

import pytest

from tests.commands import ROOT, run_unchecked
from tests.digits_run import PLAIN
from tests.forked_tools import fork_tool, fork_tool_unchecked

CANKD = 'configs/digits/cankd_retinanet.py'
TAT = 'configs/digits/tat_segmentor.py'
LAKD = 'configs/digits/lakd_retinanet.py'
LOSSES = 'model.distiller.distill_losses'
FEW = ['train_dataloader.dataset.indices=8', 'train_dataloader.batch_size=4']
TOOL = 'calibrate.py'


def run_apart(*arguments, **environment) -> tuple[int, str]:
    """Run the tool in a process that shares nothing."""
    return run_unchecked(
        sys.executable, f'tools/{TOOL}', *arguments, **environment
    )


def test_prints_a_table_and_leaves_no_file(tmp_path):
    config = tmp_path / 'mine.py'
    config.write_text(
        f"_base_ = '{ROOT / CANKD}'\nwork_dir = '{tmp_path / 'mine'}'\n"
    )
    temporary = tmp_path / 'temporary'
    temporary.mkdir()
    code, output = run_apart(
        *(config, '--iters', '3', '--cfg-options', *FEW),
        TMPDIR=str(temporary),
    )
    assert code == 0, output
    assert 'trained     3 iterations, 4 images each' in output
    assert f'weight      {LOSSES}.loss_cankd.loss_weight=5\n' in output
    assert re.search(r'first  +median +last\nloss_cankd +5 .* %  ', output)
    assert '--like PUBLISHED_CONFIG proposes' in output
    # Neither the log of a training nor its evaluation.
    assert 'Epoch(' not in output and 'mAP' not in output
    assert not (tmp_path / 'mine').exists()
    assert not list(temporary.glob('calibrate-*'))


def test_proposed_weight_gives_the_published_ratio(tmp_path):
    """At the first iteration, in which ratios are proportional to weights."""
    file = tmp_path / 'found.json'
    output = fork_tool(
        *(TOOL, TAT, '--iters', '1', '--json', file),
        *('--cfg-options', *FEW, f'{LOSSES}.loss_tat.loss_weight=0.3'),
        *('--like', CANKD, '--like-cfg-options', *FEW),
    )
    found = json.loads(file.read_text())
    ((key, weight),) = found['proposal'].items()
    assert key == f'{LOSSES}.loss_tat.loss_weight'
    option = re.search(r'^--cfg-options (.*)$', output, re.MULTILINE)[1]
    assert option == f'{key}={weight:g}'
    assert 'our choice; no mAP was measured' in output

    again = tmp_path / 'again.json'
    fork_tool(
        *(TOOL, TAT, '--iters', '1', '--json', again),
        *('--cfg-options', *FEW, option),
    )
    wanted = found['like']['losses']['loss_cankd']['median_ratio']
    reached = json.loads(again.read_text())
    ratio = reached['losses']['loss_tat']['median_ratio']
    assert reached['losses']['loss_tat']['loss_weight'] == weight
    assert reached['like'] is reached['proposal'] is None
    # Two digits round by 5 % at most.
    assert ratio == pytest.approx(wanted, rel=0.05)
    assert found['losses']['loss_tat']['median_ratio'] != pytest.approx(
        wanted, rel=0.1
    )


@pytest.mark.slow
def test_every_loss_follows_its_namesake_by_loss_weight():
    """The same config twice, once with another weight of one loss."""
    output = fork_tool(
        *(TOOL, LAKD, '--iters', '1', '--cfg-options', *FEW),
        *('--like', LAKD, '--like-cfg-options', *FEW),
        f'{LOSSES}.loss_lakd_2.loss_weight=0.25',
    )
    assert (
        '--cfg-options \\\n'
        f'    {LOSSES}.loss_lakd_1.loss_weight=1 \\\n'
        f'    {LOSSES}.loss_lakd_2.loss_weight=0.25 \\\n'
        f'    {LOSSES}.loss_lakd_3.loss_weight=1\n'
    ) in output


@pytest.mark.slow
def test_cut_that_no_task_gradient_passes_has_no_proposal():
    code, output = fork_tool_unchecked(
        *(TOOL, LAKD, '--iters', '1', '--cfg-options', *FEW),
        *('model.truncations.0.module=backbone.layer1',),
        *('model.truncations.0.on=output', '--like', LAKD),
        *('--like-cfg-options', *FEW),
    )
    assert code == 2
    assert 'inf: the task loss does not reach this feature' in output
    assert 'and no weight can be proposed' in output
    # The table is printed nevertheless.
    assert re.search(r'loss_lakd_1 .* inf +inf +inf\n', output)
    assert not re.search(r'loss_lakd_2 .* inf', output)


COCO = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'
PLAIN_REFUSAL = ["model.type='RetinaNet'", 'no teacher', 'make_config.py']
MMRAZOR = 'mmrazor::distill/mmdet/cwd/cwd_fpn_frcnn_r101_frcnn_r50_1x_coco.py'
REFUSED = {
    'plain': ([PLAIN], PLAIN_REFUSAL),
    'mmrazor': (
        [MMRAZOR],
        ["expected 'mmrazor.FrozenTeacherDistill'"],
    ),
    'distill_weight': (
        [CANKD, '--cfg-options', 'model.distill_weight=0'],
        ['model.distill_weight=0', 'model.distill_weight=1'],
    ),
    'local_backward': (
        [LAKD, '--cfg-options', 'model.local_backward=True'],
        ['model.local_backward=True', 'model.local_backward=False'],
    ),
    'open_every': (
        [LAKD, '--cfg-options', 'model.open_every=10'],
        ['model.open_every=10', '--cfg-options model.open_every=0'],
    ),
    'loss_weight': (
        [CANKD, '--cfg-options', f'{LOSSES}.loss_cankd.loss_weight=0'],
        [f'{LOSSES}.loss_cankd.loss_weight=0', 'loss_weight=1'],
    ),
    'no_file': (['no/where.py'], ["config='no/where.py'"]),
    'no_weights': (
        [CANKD, '--teacher-ckpt', 'no.pth'],
        ["--teacher-ckpt='no.pth'"],
    ),
    'iterations': ([CANKD, '--iters', '0'], ['--iters 0']),
    'like_options': (
        [CANKD, '--like-cfg-options', 'data_root=a'],
        ['need --like PUBLISHED_CONFIG'],
    ),
    'json': ([CANKD, '--json', 'no/where.json'], ['--json no/where.json']),
    'like_plain': ([CANKD, '--like', PLAIN], [PLAIN, *PLAIN_REFUSAL]),
    'like_data': (
        [CANKD, '--like', COCO, '--like-cfg-options', 'data_root=no/coco/'],
        [
            f"{COCO}: train_dataloader.dataset.data_root='no/coco/'",
            '--like-cfg-options data_root=',
        ],
    ),
    'like_weights': (
        [CANKD, '--like', LAKD, '--like-teacher-ckpt', 'no.pth'],
        [f'{LAKD}: ', "='no.pth'", '--like-teacher-ckpt'],
    ),
}


@pytest.mark.parametrize('case', REFUSED)
def test_refusal_names_key_and_remedy(case):
    arguments, expected = REFUSED[case]
    code, output = fork_tool_unchecked(TOOL, *arguments)
    assert code == 2, output
    assert 'Traceback' not in output
    for text in expected:
        assert text in output
    # Nothing was trained first.
    assert ': iteration ' not in output and 'trained ' not in output


def test_mixed_precision_needs_a_gpu():
    code, output = run_apart(
        *(CANKD, '--cfg-options', 'optim_wrapper.type=AmpOptimWrapper'),
        CUDA_VISIBLE_DEVICES='',
    )
    assert code == 2
    assert "optim_wrapper.type='AmpOptimWrapper'" in output
    assert "optim_wrapper.type='OptimWrapper'" in output


def test_faults_of_the_config_stop_as_in_training():
    option = 'model.architecture.bbox_head.num_classes=80'
    code, output = fork_tool_unchecked(TOOL, CANKD, '--cfg-options', option)
    assert code == 2 and 'Traceback' not in output
    assert 'bbox_head.num_classes: 80; expected 10' in output


def test_stopped_distillation_has_nothing_to_measure(tmp_path):
    config = tmp_path / 'stopped.py'
    config.write_text(
        f"_base_ = '{ROOT / CANKD}'\ncustom_hooks = "
        "[dict(type='mmrazor.StopDistillHook', stop_epoch=0)]\n"
    )
    code, output = fork_tool_unchecked(
        *(TOOL, config, '--iters', '1', '--cfg-options', *FEW)
    )
    assert code == 2
    assert 'computed no distill loss' in output
