"""Arguments and tensors for the fuzz tests: good ones, and all others.

Cases are drawn as plain data and made into tensors afterwards, so that
Hypothesis prints and shrinks what a person can read.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

FLOATS = ('float16', 'bfloat16', 'float16', 'bfloat16', 'float64')
OTHER_TYPES = ('int64', 'uint8', 'bool', 'complex64')
LAYOUTS = (
    'contiguous',
    'channels_last',
    'expanded_batch',
    'expanded_positions',
    'transposed',
    'every_other',
    'reversed_channels',
)
GOOD_VALUES = ('normal', 'normal', 'shifted', 'zero', 'constant', 'subnormal')
LARGE_VALUES = ('1e3', 'half_max', '1e9', '1e15', '1e30', 'max')
BAD_VALUES = ('nan', 'inf', '-inf', 'one_nan', 'one_inf', 'one_-inf')
NO_FEATURES = ('none', 'text', 'number', 'dict', 'empty', 'holds_none', 'deep')


@dataclass(frozen=True)
class Map:
    """A tensor that is yet to be made."""

    shape: tuple[int, ...]
    dtype: str = 'float32'
    layout: str = 'contiguous'
    values: str = 'normal'
    requires_grad: bool = False
    seed: int = 0

    @property
    def is_finite(self) -> bool:
        return self.values not in BAD_VALUES or 0 in self.shape

    def make(self) -> Tensor:
        """The tensor; it is a leaf where it requires a gradient."""
        dtype = getattr(torch, self.dtype)
        x = _laid_out(_filled(self, dtype), self.layout)
        return x.requires_grad_() if self.requires_grad else x


def _filled(case: Map, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(case.seed)
    x = torch.randn(case.shape, generator=generator)
    if not dtype.is_floating_point:
        return (4 * x).to(dtype)
    largest, least = torch.finfo(dtype).max, torch.finfo(dtype).tiny
    if case.values == 'shifted':
        return (x + 100).to(dtype)
    if case.values in ('zero', 'constant'):
        return torch.full(case.shape, float(case.values == 'constant')).to(
            dtype
        )
    if case.values == 'subnormal':
        return (x.double() * least / 4).to(dtype)
    if case.values == 'normal':
        return x.to(dtype)
    if case.values in LARGE_VALUES:
        peak = {'half_max': 65504.0, 'max': largest}.get(case.values)
        peak = float(case.values) if peak is None else peak
        scaled = x.double().clamp(-3, 3) / 3 * min(peak, largest)
        return scaled.clamp(-largest, largest).to(dtype)
    x, bad = x.to(dtype), float(case.values.removeprefix('one_'))
    if not case.values.startswith('one_'):
        return torch.full_like(x, bad)
    if x.numel():
        # The last element: of rows that patches leave out, if there are any.
        x.view(-1)[-1] = bad
    return x


def _laid_out(x: Tensor, layout: str) -> Tensor:
    """The same values, or some of them, with other strides."""
    if layout == 'channels_last' and x.dim() == 4:
        return x.contiguous(memory_format=torch.channels_last)
    if layout == 'expanded_batch' and x.dim() and x.size(0):
        return x[-1:].expand(x.shape)
    if layout == 'expanded_positions' and x.dim() and x.size(-1):
        return x[..., -1:].expand(x.shape)
    if layout == 'transposed' and x.dim() > 1:
        return x.mT.contiguous().mT
    if layout == 'every_other' and x.dim():
        return x.repeat_interleave(2, -1)[..., ::2]
    if layout == 'reversed_channels' and x.dim() > 1:
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    return x


def rarely(draw: Callable, one_in: int = 8) -> bool:
    """Whether this part of a case is to be out of the ordinary."""
    # Hypothesis draws the ends of a range more often than what lies between.
    return draw(st.integers(0, one_in - 1)) == one_in // 2


def argument(draw: Callable, *valid, invalid: tuple, one_in: int = 60):
    """A value for a parameter: in most cases a valid one."""
    return draw(st.sampled_from(invalid if rarely(draw, one_in) else valid))


@st.composite
def maps(draw, shape: tuple[int, ...], requires_grad: bool = False) -> Map:
    """A map of a shape, or of nearly that shape."""
    case = Map(
        shape,
        dtype=draw(st.sampled_from(FLOATS)) if rarely(draw, 3) else 'float32',
        layout=draw(st.sampled_from(LAYOUTS)),
        values=draw(st.sampled_from(GOOD_VALUES)),
        requires_grad=requires_grad,
        seed=draw(st.integers(0, 3)),
    )
    if rarely(draw, 7):
        case = replace(case, values=draw(st.sampled_from(LARGE_VALUES)))
    if rarely(draw, 10):
        case = replace(case, values=draw(st.sampled_from(BAD_VALUES)))
    if rarely(draw, 40):
        other = draw(st.sampled_from(OTHER_TYPES))
        case = replace(case, dtype=other, requires_grad=False, values='normal')
    if rarely(draw, 24):
        case = replace(case, shape=draw(other_shapes(shape)))
    return case


@st.composite
def other_shapes(draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that differs in one dimension, in rank, or in all."""
    kind = draw(st.sampled_from(('size', 'size', 'drop', 'add', 'scalar')))
    if kind == 'size':
        place = draw(st.integers(0, len(shape) - 1))
        size = draw(st.sampled_from((0, 0, 1, shape[place] + 1)))
        return (*shape[:place], size, *shape[place + 1 :])
    return {'drop': shape[1:], 'add': (*shape, 2), 'scalar': ()}[kind]


@dataclass(frozen=True)
class Feature:
    """What a recorder hands over: maps in some container, or no feature."""

    maps: tuple[Map, ...]
    container: str = 'tensor'

    def make(self):
        """The feature itself."""
        levels = [m.make() for m in self.maps]
        if self.container == 'tensor':
            return levels[0]
        if self.container in ('tuple', 'list'):
            return levels if self.container == 'list' else tuple(levels)
        return {
            'none': lambda: None,
            'text': lambda: 'feature',
            'number': lambda: 1.0,
            'dict': lambda: dict(enumerate(levels)),
            'empty': lambda: (),
            'holds_none': lambda: [*levels[:-1], None],
            'deep': lambda: (tuple(levels),) * len(levels),
            'sparse': lambda: levels[0].detach().to_sparse(),
            'meta': lambda: levels[0].detach().to('meta'),
            'nested': lambda: torch.nested.nested_tensor(
                [torch.ones(2, 3), torch.ones(1, 3)]
            ),
        }[self.container]()


@st.composite
def features(
    draw, shapes: tuple[tuple[int, ...], ...], requires_grad: bool = False
) -> Feature:
    """A feature with a level for each shape."""
    levels = tuple(draw(maps(shape, requires_grad)) for shape in shapes)
    container = draw(st.sampled_from(('tuple', 'list')))
    if len(levels) == 1 and draw(st.booleans()):
        container = 'tensor'
    if rarely(draw, 24):
        other = (*NO_FEATURES, 'sparse', 'meta', 'nested')
        container = draw(st.sampled_from(other))
    return Feature(levels, container)


def fuzz(
    strategy: st.SearchStrategy,
    check: Callable[..., str],
    examples: int,
) -> Counter:
    """Check drawn cases, the same ones in every run.

    Args:
        strategy: Of cases.
        check: Raises where a case does not come out as it must; else returns
            how it came out.
        examples: How many cases.

    Returns:
        How many cases came out how.
    """
    outcomes = Counter()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case):
        outcomes[check(case)] += 1

    run()
    return outcomes
