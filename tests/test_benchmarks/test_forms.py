"""The formulas as printed compute what the losses do, so a ratio is fair."""

import pytest
import torch
from mmengine.logging import MessageHub

from cankd_mm.benchmarks import measuring
from cankd_mm.benchmarks.forms import OTHERS, OURS, cankd_as_printed
from cankd_mm.benchmarks.losses import PRINTED, SIZES
from cankd_mm.benchmarks.measuring import Settings
from cankd_mm.losses import CanKDLoss

DOUBLE = Settings(dtype='float64')
SHAPES = {
    'CanKD': [((2, 6, 12, 9), None), ((1, 4, 3, 3), None)],
    # Neither is a multiple of patches and windows; the last one fits in both.
    'TaT': [((2, 5, 19, 17), None), ((1, 3, 16, 8), None)],
    'TaT one-to-all': [((2, 5, 7, 6), None)],
    'LAKD': [((2, 5, 12, 8), None), ((1, 3, 25, 11), None)],
    'CSKD': [
        ((2, 6, 14, 14), (2, 6, 7, 7)),
        ((2, 6, 7, 7), None),
    ],
}
CASES = [
    (loss, student, teacher or student)
    for loss, shapes in SHAPES.items()
    for student, teacher in shapes
]


def value_and_gradients(form, student, teacher):
    """Of the student's feature and of every parameter."""
    run = measuring.trial(form, student, teacher, DOUBLE)
    value = run.forward()
    value.backward()
    gradients = {name: p.grad for name, p in run.loss.named_parameters()}
    return value, {'feature': run.s.grad, **gradients}


@pytest.mark.parametrize(('loss', 'student', 'teacher'), CASES)
def test_form_as_printed_equals_the_loss(loss, student, teacher):
    ours, printed = (
        value_and_gradients(form, student, teacher) for form in OURS[loss]
    )
    torch.testing.assert_close(ours, printed, rtol=0, atol=1e-10)
    assert ours[1]['feature'].abs().max() > 1e-6


def test_printed_form_of_several_levels_equals_the_loss():
    torch.manual_seed(0)
    loss = CanKDLoss(4, num_levels=2).double()
    for parameter in loss.parameters():
        torch.nn.init.normal_(parameter)
    s, t = (
        [torch.randn(2, 4, size, size).double() for size in (8, 6)]
        for _ in range(2)
    )
    torch.testing.assert_close(cankd_as_printed(loss, s, t), loss(s, t))


@pytest.mark.parametrize(
    'case',
    [case for case in SIZES['paper'] if case.place != 'P2'],
    ids=lambda case: f'{case.loss}, {case.place}, {case.student}',
)
def test_no_loss_needs_more_memory_than_its_formula(case):
    ours, printed = (
        measuring.computed_peak(case.forms[name], *case.shapes, Settings())
        for name in (case.loss, PRINTED)
    )
    assert ours <= printed + 1024  # scalars


def test_fusion_as_printed_follows_the_progress_of_the_training():
    values = []
    for iteration in (0, 60):
        hub = MessageHub.get_instance(f'fusion as printed {iteration}')
        hub.update_info('iter', iteration)
        hub.update_info('max_iters', 100)
        ours, printed = (
            value_and_gradients(form, *SHAPES['CSKD'][0])[0]
            for form in OURS['CSKD']
        )
        torch.testing.assert_close(ours, printed, rtol=0, atol=1e-10)
        values.append(ours.item())
    assert values[0] != values[1]


@pytest.mark.parametrize('name', OTHERS)
@pytest.mark.parametrize('teacher', [(2, 6, 7, 7), (2, 6, 14, 14)])
def test_others_send_a_gradient_to_the_student(name, teacher):
    run = measuring.trial(OTHERS[name], (2, 6, 14, 14), teacher, DOUBLE)
    run.forward().backward()
    assert run.s.grad.abs().max() > 0
    assert run.s.grad.shape == (2, 6, 14, 14)
