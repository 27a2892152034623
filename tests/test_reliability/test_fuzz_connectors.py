"""A connector returns the documented, finite map, or reports an error."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from cankd_mm.connectors import (
    ActivationMapConnector,
    PatchClassifierConnector,
    ProjectionConnector,
    ResizeConnector,
    TokenMapConnector,
)
from tests.reliability_table import count
from tests.test_reliability.fuzz_inputs import (
    Feature,
    Map,
    argument,
    features,
    fuzz,
    rarely,
)

# These have few arguments: of each, one in so many is not valid.
argument = partial(argument, one_in=16)
NO_COUNT = (0, -1, 1.0, float('nan'), 'x', True, 1j, [], {})
NO_FACTOR = (0, -1, float('nan'), float('inf'), 10**400, 'x', True, 1j, [])
NO_FLAG = (0, 1, 'x', [], float('nan'))


@dataclass(frozen=True)
class Case:
    """A connector, what it is given, and in which circumstances."""

    arguments: dict
    feature: Feature
    dtype: str = 'float32'
    training: bool = True
    autocast: bool = False


def circumstances(draw) -> dict:
    return dict(
        dtype=draw(st.sampled_from(('float64', 'float16', 'bfloat16')))
        if rarely(draw)
        else 'float32',
        training=not rarely(draw, 4),
        autocast=rarely(draw, 4),
    )


def cast(draw, feature: Feature, dtype: str) -> Feature:
    """In most cases a feature of the type of the connector."""
    if rarely(draw, 3):
        return feature
    return replace(
        feature,
        maps=tuple(
            replace(x, dtype=dtype) if 'float' in x.dtype else x
            for x in feature.maps
        ),
    )


def grid(draw, largest: int = 7) -> tuple[int, int]:
    return tuple(draw(st.integers(1, largest)) for _ in range(2))


def case(draw, arguments: dict, shapes: tuple) -> Case:
    conditions = circumstances(draw)
    feature = draw(features(shapes, draw(st.booleans())))
    feature = cast(draw, feature, conditions['dtype'])
    return Case(arguments, feature, **conditions)


@st.composite
def projection_cases(draw) -> Case:
    levels = draw(st.sampled_from((1, 1, 2)))
    per_level = [3, 2][:levels]
    no_channels = (*NO_COUNT, [1, 2, 3], None)
    norms = (
        None,
        dict(type='BN'),
        dict(type='BN', eps=1e-3, requires_grad=False),
        dict(type='GN', num_groups=1),
        dict(type='IN'),
    )
    no_norms = (
        *({}, 'BN', 1, [], dict(type='x'), dict(type='GN', num_groups=7)),
        *(dict(type='GN'), dict(type='BN', x=1), dict(type='LN')),
        *(dict(type='BN1d'), dict(type='BN', eps=0)),
    )
    arguments = dict(
        out_channels=argument(draw, 4, [2, 4][:levels], invalid=no_channels),
        in_channels=argument(
            draw, None, per_level, invalid=(*NO_COUNT, [1, 2, 3])
        ),
        num_levels=argument(draw, levels, invalid=(*NO_COUNT, None, 3)),
        norm_cfg=argument(draw, *norms, invalid=no_norms),
    )
    shapes = tuple((2, c, *grid(draw)) for c in per_level)
    return case(draw, arguments, shapes)


@st.composite
def classifier_cases(draw) -> Case:
    arguments = dict(
        num_classes=argument(draw, 1, 3, invalid=(*NO_COUNT, None)),
        in_channels=argument(draw, None, 2, invalid=(*NO_COUNT, 3)),
        prior_probability=argument(
            draw, None, 0.01, 1e-300, invalid=(0, 1, -1, 'x', True, 1j)
        ),
    )
    return case(draw, arguments, ((draw(st.integers(1, 2)), 2, *grid(draw)),))


@st.composite
def resize_cases(draw) -> Case:
    no_size = (*NO_COUNT, (1, 2, 3), (0, 1), 10**9)
    no_factor = (*NO_FACTOR, (1, 2, 3), (0, 1), 1e-9, 1e9, 1e300)
    mode = argument(
        draw,
        *('nearest', 'nearest-exact', 'bilinear', 'bicubic', 'area'),
        invalid=('x', None, 1, [], 'linear'),
    )
    arguments = dict(mode=mode)
    if not rarely(draw, 3):
        arguments['size'] = argument(draw, 1, 3, (2, 5), invalid=no_size)
    if 'size' not in arguments or rarely(draw, 40):
        arguments['scale_factor'] = argument(
            draw, 2, 0.5, (1.5, 1 / 3), 0.1, invalid=no_factor
        )
    if mode in ('bilinear', 'bicubic') or rarely(draw, 40):
        arguments['align_corners'] = argument(
            draw, None, True, False, invalid=NO_FLAG
        )
    return case(draw, arguments, ((2, 3, *grid(draw)), (2, 1, *grid(draw))))


@st.composite
def token_cases(draw) -> Case:
    height, width = grid(draw, 5)
    ratio = height / width
    extra = draw(st.integers(0, 2))
    no_ratio = (*NO_FACTOR, None, 1e300, 1e-300, 5e-324, 1.7e308)
    arguments = dict(
        num_extra_tokens=argument(
            draw, extra, invalid=(-1, 1.0, 'x', None, True, 1j, [], 10**400)
        ),
        aspect_ratio=argument(draw, ratio, 1.01 * ratio, invalid=no_ratio),
    )
    return case(draw, arguments, ((2, extra + height * width, 3),))


@st.composite
def activation_cases(draw) -> Case:
    weights = (0.5, 1, 0, 1000)
    no_weight = (-1, float('nan'), float('inf'), 1e9, 10**400, 'x', None, True)
    arguments = dict(
        grid=argument(
            draw, None, 1, 3, (2, 5), invalid=(*NO_COUNT, (1, 2, 3))
        ),
        avg_weight=argument(draw, *weights, invalid=no_weight),
        max_weight=argument(draw, *weights, invalid=no_weight),
        flatten=argument(draw, True, False, invalid=(*NO_FLAG, None)),
    )
    return case(draw, arguments, ((2, 3, *grid(draw)), (2, 1, *grid(draw))))


# ------------------------------------------------------------- what is right


def resized(arguments: dict, level: Map) -> tuple[int, ...]:
    size, factor = arguments.get('size'), arguments.get('scale_factor')
    if size is None:
        factors = factor if isinstance(factor, tuple) else (factor, factor)
        size = tuple(
            int(side * by)
            for side, by in zip(level.shape[2:], factors, strict=True)
        )
    size = size if isinstance(size, tuple) else (size, size)
    return (*level.shape[:2], *size)


def projected(arguments: dict, level: Map, index: int) -> tuple[int, ...]:
    out = arguments['out_channels']
    out = out[index] if isinstance(out, list) else out
    return (level.shape[0], out, *level.shape[2:])


def mapped(arguments: dict, level: Map) -> tuple[int, ...]:
    cells = arguments['grid'] or tuple(
        max(side // 2, 2) for side in level.shape[2:]
    )
    cells = cells if isinstance(cells, tuple) else (cells, cells)
    if arguments['flatten']:
        return (level.shape[0], cells[0] * cells[1])
    return (level.shape[0], 1, *cells)


def laid_out(arguments: dict, level: Map, output: Tensor) -> tuple[int, ...]:
    """Any grid with that many patches and nearly that aspect ratio."""
    batch, tokens, channels = level.shape
    height, width = output.shape[2:]
    assert height * width == tokens - arguments['num_extra_tokens']
    off = abs(width - height / arguments['aspect_ratio'])
    assert off <= max(0.5, 0.05 * width)
    return (batch, channels, height, width)


def expected_shape(
    connector: type[nn.Module],
    arguments: dict,
    level: Map,
    index: int,
    output: Tensor,
) -> tuple[int, ...]:
    """The documented shape of an output."""
    if connector is ResizeConnector:
        return resized(arguments, level)
    if connector is ProjectionConnector:
        return projected(arguments, level, index)
    if connector is ActivationMapConnector:
        return mapped(arguments, level)
    if connector is TokenMapConnector:
        return laid_out(arguments, level, output)
    return (level.shape[0], arguments['num_classes'], *level.shape[2:])


def check(connector_type: type[nn.Module], case: Case) -> str:
    """How a case came out; raises if it came out wrong."""
    torch.manual_seed(0)
    try:
        connector = connector_type(**case.arguments)
        connector.to(getattr(torch, case.dtype)).train(case.training)
    except (ValueError, TypeError) as error:
        assert '`' in str(error), repr(error)
        return 'constructor refused'
    autocast = torch.autocast('cpu', dtype=torch.bfloat16)
    feature = case.feature.make()
    try:
        with autocast if case.autocast else nullcontext():
            output = connector.forward_train(feature)
    except (ValueError, TypeError) as error:
        assert '`' in str(error), repr(error)
        return 'input refused'
    is_single = isinstance(feature, Tensor)
    assert isinstance(output, Tensor if is_single else tuple)
    outputs = (output,) if is_single else output
    levels = case.feature.maps[: len(outputs)]
    assert len(outputs) == case.arguments.get('num_levels', len(levels))
    for index, (level, x) in enumerate(zip(levels, outputs, strict=True)):
        assert tuple(x.shape) == expected_shape(
            connector_type, case.arguments, level, index, x
        )
        if not x.is_meta:
            assert bool(x.isfinite().all()) == level.is_finite
    return 'finite' if all(x.is_finite for x in levels) else 'not finite'


CONNECTORS = {
    'Projection': (ProjectionConnector, projection_cases()),
    'PatchClassifier': (PatchClassifierConnector, classifier_cases()),
    'Resize': (ResizeConnector, resize_cases()),
    'TokenMap': (TokenMapConnector, token_cases()),
    'ActivationMap': (ActivationMapConnector, activation_cases()),
}


def fuzz_connector(name: str, examples: int, record_property) -> None:
    connector_type, cases = CONNECTORS[name]
    outcomes = fuzz(cases, lambda case: check(connector_type, case), examples)
    for outcome, number in sorted(outcomes.items()):
        record_property(f'{name}: {outcome}', number)
        print(f'{name}: {outcome}: {number}')
    count(record_property, 'fuzz examples', outcomes.total())
    assert outcomes.total() >= examples
    refused = outcomes['constructor refused'] + outcomes['input refused']
    assert examples / 20 < refused < 0.9 * examples, outcomes


every_connector = pytest.mark.parametrize('name', CONNECTORS)


@every_connector
def test_a_connector_returns_its_map_or_refuses(name, record_property):
    fuzz_connector(name, 200, record_property)


@pytest.mark.slow
@every_connector
def test_many_connectors_return_their_maps_or_refuse(name, record_property):
    fuzz_connector(name, 1000, record_property)
