"""A loss is finite, with finite gradients, or a ValueError or TypeError."""

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from cankd_mm.functional import chunks
from cankd_mm.losses import (
    CanKDLoss,
    CSKDLoss,
    LAKDLoss,
    TaTLoss,
    cross_non_local,
    cskd_loss,
)
from cankd_mm.losses.finite_inputs import values_unchecked
from tests.reliability_table import count
from tests.test_reliability.fuzz_inputs import (
    LARGE_VALUES,
    Feature,
    Map,
    argument,
    features,
    fuzz,
    rarely,
)

WEIGHTS = (0, 1e-30, 1e-300, 1e6, 1e10, 1e30, 1e300)
NO_WEIGHT = (-1, float('nan'), float('inf'), 10**400, 'x', None, True, 1j, [])
NO_COUNT = (0, -1, 1.0, float('nan'), 'x', None, True, 1j, [], {})
NO_FLAG = (0, 1, None, 'x', [], float('nan'))


@dataclass(frozen=True)
class Case:
    """A loss, what it is given, and in which circumstances."""

    arguments: dict
    s_feature: Feature
    t_feature: Feature
    others: dict = field(default_factory=dict)
    dtype: str = 'float32'
    training: bool = True
    autocast: bool = False
    chunked: bool = False
    progress: float = 0.0

    @property
    def num_used(self) -> int | None:
        """How many levels are used, None for all."""
        return self.arguments.get('num_levels')

    @property
    def is_finite(self) -> bool:
        """Whether everything but levels that nothing uses is."""
        given = (
            *self.s_feature.maps[: self.num_used],
            *self.t_feature.maps[: self.num_used],
            *(x for x in self.others.values() if isinstance(x, Map)),
        )
        return all(x.is_finite for x in given)


def weight(draw) -> float:
    valid = WEIGHTS if rarely(draw, 6) else (1.0, 1, 0.5, 2.0)
    return argument(draw, *valid, invalid=NO_WEIGHT)


def a_count(draw, *valid: int) -> int:
    return argument(draw, *valid, invalid=NO_COUNT)


def a_flag(draw) -> bool:
    return argument(draw, True, False, invalid=NO_FLAG)


def sizes(draw, largest: int = 9) -> tuple[int, int]:
    """Height and width: small, and 0 seldom."""
    return tuple(
        draw(st.integers(0 if rarely(draw, 40) else 1, largest))
        for _ in range(2)
    )


def circumstances(draw) -> dict:
    return dict(
        dtype='float64' if rarely(draw) else 'float32',
        training=not rarely(draw, 4),
        autocast=rarely(draw, 4),
        chunked=rarely(draw, 3),
    )


def as_dimension(value, otherwise: int) -> int:
    """What an argument is as a size of a tensor, if it is one."""
    is_size = isinstance(value, int) and not isinstance(value, bool)
    return value if is_size and 0 < value < 99 else otherwise


@st.composite
def cankd_cases(draw) -> Case:
    arguments = dict(
        in_channels=a_count(draw, 1, 2, 4, 6),
        inter_channels=argument(draw, None, 1, 3, invalid=(0, -1, 1.0, 'x')),
        num_levels=a_count(draw, 1, 1, 2),
        sub_sample=a_flag(draw),
        use_norm=a_flag(draw),
        loss_weight=weight(draw),
    )
    levels = as_dimension(arguments['num_levels'], 1) + rarely(draw)
    channels = as_dimension(arguments['in_channels'], 4)
    batch = draw(st.integers(1, 3))
    shapes = tuple((batch, channels, *sizes(draw)) for _ in range(levels))
    return Case(
        arguments,
        draw(features(shapes, draw(st.booleans()))),
        draw(features(shapes)),
        **circumstances(draw),
    )


@st.composite
def tat_cases(draw) -> Case:
    num_levels = a_count(draw, 1, 1, 2)
    valid_sizes = ((1, 1), (2, 2), [3, 2], (8, 8), None)
    if num_levels == 2:
        valid_sizes = (*valid_sizes, [None, (2, 2)])
    no_sizes = ((0, 1), (1.0, 2), (1, 2, 3), 'xy', 2, [], {}, [(1, 1)] * 3)
    arguments = dict(
        student_channels=a_count(draw, 1, 3),
        teacher_channels=a_count(draw, 1, 2, 5),
        num_levels=num_levels,
        patch_size=argument(draw, *valid_sizes, invalid=no_sizes),
        patches_per_group=a_count(draw, 1, 2, 3),
        anchor_stride=argument(draw, *valid_sizes, invalid=no_sizes),
        patch_weight=weight(draw),
        anchor_weight=weight(draw),
        embed_key=a_flag(draw),
        axis=argument(draw, 'teacher', 'student', invalid=('', None, 1)),
        scale=argument(
            draw, None, 1, 0, 0.1, 1e6, invalid=(-1, 'x', 1j, [], 1e30)
        ),
        embed_norm=argument(draw, 'instance', 'batch', None, invalid=('x', 1)),
        embed_kernel_size=argument(draw, 1, 1, 3, invalid=(2, *NO_COUNT)),
        loss_weight=weight(draw),
    )
    levels = as_dimension(arguments['num_levels'], 1) + rarely(draw)
    batch = draw(st.integers(1, 3))
    grids = [sizes(draw) for _ in range(levels)]
    s, t = (
        tuple(
            (batch, as_dimension(arguments[f'{role}_channels'], 3), *grid)
            for grid in grids
        )
        for role in ('student', 'teacher')
    )
    return Case(
        arguments,
        draw(features(s, draw(st.booleans()))),
        draw(features(t)),
        **circumstances(draw),
    )


@st.composite
def lakd_cases(draw) -> Case:
    no_channels = (0, -1, 1.0, None, 'x', [], [0], [1, 1, 1], True)
    several = rarely(draw, 3)
    arguments = dict(
        student_channels=argument(
            draw, *(([2, 3],) if several else (1, 3, [3])), invalid=no_channels
        ),
        teacher_channels=argument(
            draw,
            *(((2, 5),) if several else (1, 3, (5,))),
            invalid=no_channels,
        ),
        feature_weight=weight(draw),
        attention_weight=weight(draw),
        avg_weight=argument(draw, 0.5, 1, 0, 1000, invalid=NO_WEIGHT + (1e9,)),
        max_weight=argument(draw, 0.5, 1, 0, 1000, invalid=NO_WEIGHT + (1e9,)),
        mode=argument(draw, 'match', 'weight', invalid=('', None, 1, [])),
        loss_weight=weight(draw),
    )
    batch = draw(st.integers(1, 3))
    s, t = (
        tuple(
            (batch, as_dimension(c, 3), *sizes(draw))
            for c in (given if isinstance(given, list | tuple) else [given])
        )
        or ((batch, 3, *sizes(draw)),)
        for given in (
            arguments['student_channels'],
            arguments['teacher_channels'],
        )
    )
    if not rarely(draw, 3):  # the grid of one is that of the other
        t = tuple((*y[:2], *x[2:]) for x, y in zip(s, t, strict=False)) or t
    return Case(
        arguments,
        draw(features(s, draw(st.booleans()))),
        draw(features(t)),
        **circumstances(draw),
    )


@st.composite
def cskd_cases(draw) -> Case:
    activation = argument(
        draw, 'softmax', 'sigmoid', invalid=('', None, 1, [])
    )
    arguments = dict(
        num_classes=a_count(draw, 1, 2, 3),
        global_term=argument(draw, 'fused', 'decoupled', invalid=('', None)),
        schedule=argument(
            draw,
            *('linear', 'quadratic', 'cosine', 'constant'),
            invalid=('x', 1),
        ),
        hard=a_flag(draw),
        temperature=weight(draw),
        activation=activation,
        loss_weight=weight(draw),
        ignore_index=argument(draw, 255, -100, 0, invalid=('x', None, 1.5)),
    )
    classes = as_dimension(arguments['num_classes'], 3)
    anchors = levels = 1
    if activation == 'sigmoid':
        anchors, levels = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    batch = draw(st.integers(1, 3))
    others, channels = {}, dict(s=anchors * classes, t=anchors * classes)
    for role in 'st' if levels == 1 and rarely(draw, 4) else '':
        if draw(st.booleans()):
            channels[role] = draw(st.integers(1, 3))
            shape = (anchors * classes, channels[role])
            others[f'{role}_weight'] = draw(parameters(shape))
        if draw(st.booleans()):
            others[f'{role}_bias'] = draw(parameters((anchors * classes,)))
    if rarely(draw, 3):
        others['labels'] = draw(labels(batch))
    s, t = (
        tuple((batch, channels[role], *sizes(draw)) for _ in range(levels))
        for role in 'st'
    )
    return Case(
        arguments,
        draw(features(s, draw(st.booleans()))),
        draw(features(t)),
        others,
        progress=draw(st.sampled_from((0.0, 0.3, 1.0))),
        **circumstances(draw),
    )


@st.composite
def parameters(draw, shape: tuple[int, ...]):
    """Weight or bias of a classifier; in most cases one that fits."""
    if rarely(draw, 8):
        return draw(
            st.sampled_from(
                (
                    'text',
                    [1.0],
                    Map((*shape, 1)),
                    Map((shape[0] + 1, *shape[1:])),
                    Map((0, *shape[1:])),
                    Map(()),
                    Map(shape, dtype='int64'),
                    Map(shape, values='nan'),
                    Map(shape, values='max'),
                )
            )
        )
    return Map(shape, dtype=draw(st.sampled_from(('float32', 'bfloat16'))))


@st.composite
def labels(draw, batch: int):
    """Ground truth, of which some may be ignored; seldom something else."""
    shape = (batch, *sizes(draw, 12))
    if rarely(draw, 6):
        return draw(
            st.sampled_from(
                (
                    'text',
                    [[0]],
                    torch.zeros(()),
                    torch.zeros(batch + 1, 4, 4),
                    torch.zeros(batch, 0, 4),
                    torch.zeros(batch, 2, 4, 4),
                    torch.zeros(batch, 4),
                    torch.zeros(batch, 4, 4, device='meta'),
                )
            )
        )
    ignored = draw(st.sampled_from((0.0, 0.3, 1.0)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 3)))
    is_ignored = torch.rand(shape, generator=generator) < ignored
    found = torch.where(is_ignored, 255, 0)
    if draw(st.booleans()):
        found = found.unsqueeze(1)
    return found.to(draw(st.sampled_from((torch.int64, torch.uint8))))


# ------------------------------------------------------------------ the check


def build(loss_type: type[nn.Module], case: Case) -> nn.Module:
    """The loss with parameters as in the middle of a training."""
    torch.manual_seed(0)
    loss = loss_type(**case.arguments)
    for parameter in loss.parameters():
        parameter.data.add_(torch.randn_like(parameter))
    loss.to(getattr(torch, case.dtype))
    return loss.train(case.training)


def run(loss: nn.Module, case: Case, **inputs) -> Tensor:
    """The value of the loss in the circumstances of the case."""
    autocast = torch.autocast('cpu', dtype=torch.bfloat16)
    with (
        autocast if case.autocast else nullcontext(),
        patch.object(chunks, 'CPU_ELEMENTS', 16 if case.chunked else 2**20),
        patch.object(
            cross_non_local, 'SMALL_MAP', 8 if case.chunked else 2**20
        ),
        patch.object(cskd_loss, 'training_progress', lambda: case.progress),
    ):
        return loss(**inputs)


def inputs_of(case: Case) -> dict:
    made = dict(
        s_feature=case.s_feature.make(), t_feature=case.t_feature.make()
    )
    for name, value in case.others.items():
        made[name] = value.make() if isinstance(value, Map) else value
    return made


def assert_reports(error: Exception) -> None:
    """An error of this package, which names an argument: not torch's."""
    assert '`' in str(error), repr(error)


def check(loss_type: type[nn.Module], case: Case) -> str:
    """How a case came out; raises if it came out wrong."""
    try:
        loss = build(loss_type, case)
    except (ValueError, TypeError) as error:
        assert_reports(error)
        return 'constructor refused'
    inputs = inputs_of(case)
    try:
        value = run(loss, case, **inputs)
    except (ValueError, TypeError) as error:
        assert_reports(error)
        return 'input refused'
    assert case.is_finite, 'a finite loss of features that are not'
    assert value.shape == ()
    if value.is_meta:
        return 'finite'
    assert value.isfinite(), value
    students = _tensors(inputs['s_feature'])[: case.num_used]
    leaves = [x for x in students if x.requires_grad]
    if value.requires_grad:
        value.backward()
    assert all(x.grad is not None for x in leaves)
    for x in loss.parameters():
        assert x.grad is None or x.grad.isfinite().all(), tuple(x.shape)
    for x in loss.buffers():
        assert x.isfinite().all(), 'running statistics'
    if not leaves:
        return 'finite'
    if all(x.grad.isfinite().all() for x in leaves):
        return 'finite with gradients'
    # Gradients come in the type of the feature. What float16 cannot hold is
    # infinite in it, as everywhere in torch: a GradScaler looks for that.
    wide = [x.detach().float().requires_grad_() for x in students]
    run(
        build(loss_type, case), case, **inputs | {'s_feature': wide}
    ).backward()
    for x, x_wide in zip(leaves, wide, strict=True):
        assert x.dtype == torch.float16 or x.grad.isfinite().all()
        assert x_wide.grad.isfinite().all()
        torch.testing.assert_close(
            x.grad, x_wide.grad.to(x.dtype), rtol=1e-3, atol=1e-3
        )
    return 'gradient beyond float16'


@st.composite
def large_cases(draw, **arguments) -> Case:
    """Two maps of four channels, with values near what overflows."""
    s, t = (
        Map(
            (2, 4, *draw(st.sampled_from(((2, 3), (3, 4), (8, 9))))),
            values=draw(st.sampled_from(('normal', *LARGE_VALUES))),
            seed=seed,
        )
        for seed in range(2)
    )
    t = replace(t, shape=s.shape)
    return Case(
        arguments, Feature((s,)), Feature((t,)), chunked=draw(st.booleans())
    )


def check_large(loss_type: type[nn.Module], case: Case) -> str:
    """No sum overflows into a number that is finite, and wrong."""
    inputs = inputs_of(case)
    try:
        value = run(build(loss_type, case), case, **inputs)
    except ValueError as error:
        assert_reports(error)
        return 'refused'
    wide = {name: x.double() for name, x in inputs.items()}
    expected = run(build(loss_type, case).double(), case, **wide)
    # Rounding is no matter here: an overflow is off by orders of magnitude.
    torch.testing.assert_close(value.double(), expected, rtol=0.1, atol=1e-6)
    return 'as in float64'


def check_unchecked(loss_type: type[nn.Module], case: Case) -> str:
    """As on a GPU: nothing is looked at, and nothing is lost."""
    try:
        loss, inputs = build(loss_type, case), inputs_of(case)
        with values_unchecked():
            value = run(loss, case, **inputs)
    except (ValueError, TypeError) as error:
        assert_reports(error)
        return 'refused'
    if value.is_meta:
        return 'finite'
    if not case.is_finite:
        assert not value.isfinite(), 'a finite loss of features that are not'
        return 'not finite'
    try:
        checked = run(build(loss_type, case), case, **inputs)
    except (ValueError, TypeError):
        return 'overflows'
    # The check changes no bit.
    torch.testing.assert_close(value, checked, rtol=0, atol=0)
    return 'finite'


def _tensors(value) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, str) or not hasattr(value, '__iter__'):
        return []
    return [x for item in value for x in _tensors(item)]


LOSSES = {
    'CanKD': (CanKDLoss, cankd_cases()),
    'TaT': (TaTLoss, tat_cases()),
    'LAKD': (LAKDLoss, lakd_cases()),
    'CSKD': (CSKDLoss, cskd_cases()),
}


def report(outcomes, name: str, least: int, record_property) -> None:
    """Record the counts: enough of all, of results, and of refusals."""
    for outcome, number in sorted(outcomes.items()):
        record_property(f'{name}: {outcome}', number)
        print(f'{name}: {outcome}: {number}')
    count(record_property, 'fuzz examples', outcomes.total())
    assert outcomes.total() >= least
    refused = sum(n for kind, n in outcomes.items() if 'refused' in kind)
    assert least / 10 < refused < 0.9 * least, outcomes


def fuzz_loss(name: str, examples: int, record_property) -> None:
    loss_type, cases = LOSSES[name]
    outcomes = fuzz(cases, lambda case: check(loss_type, case), examples)
    report(outcomes, name, examples, record_property)


def fuzz_unchecked_loss(name: str, examples: int, record_property) -> None:
    loss_type, cases = LOSSES[name]
    outcomes = fuzz(
        cases, lambda case: check_unchecked(loss_type, case), examples
    )
    report(outcomes, f'{name} unchecked', examples, record_property)


every_loss = pytest.mark.parametrize('name', LOSSES)


@every_loss
def test_a_loss_is_finite_or_refused(name, record_property):
    fuzz_loss(name, 300, record_property)


@every_loss
def test_what_is_not_finite_arrives_in_the_loss(name, record_property):
    fuzz_unchecked_loss(name, 150, record_property)


@pytest.mark.parametrize(
    'loss_type, arguments',
    [
        (CanKDLoss, dict(in_channels=4)),
        (CanKDLoss, dict(in_channels=4, use_norm=False)),
        (LAKDLoss, dict(student_channels=4, teacher_channels=4)),
        (
            LAKDLoss,
            dict(student_channels=4, teacher_channels=4, feature_weight=0),
        ),
    ],
)
def test_large_values_give_the_loss_or_are_refused(
    loss_type, arguments, record_property
):
    outcomes = fuzz(
        large_cases(**arguments), lambda case: check_large(loss_type, case), 60
    )
    report(outcomes, f'{loss_type.__name__} large', 60, record_property)


@pytest.mark.slow
@every_loss
def test_many_losses_are_finite_or_refused(name, record_property):
    fuzz_loss(name, 2000, record_property)
    fuzz_unchecked_loss(name, 1000, record_property)
