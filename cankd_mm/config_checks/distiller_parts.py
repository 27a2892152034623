"""Losses and connectors can be built, and take what the mappings give."""

import copy
from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.faults import (
    did_you_mean,
    named,
    registered,
    suggestion,
)
from cankd_mm.config_checks.finding import Finding, error
from cankd_mm.config_checks.meta_model import empty_weights
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.utils.random_state import preserved_random_state

_OPEN = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Find types, arguments and mapped names that do not exist."""
    if 'architecture' not in examined.model:
        return
    kind = examined.model.get('type')
    if isinstance(kind, str) and _class(kind) is None:
        yield _unknown_type('model.type', kind)
    for part in ('connectors', 'distill_losses'):
        for name in examined.part(part):
            if not _can_name_a_module(name):
                yield error(
                    f'model.distiller.{part}.{name}',
                    f'{name!r}, which PyTorch allows no module',
                    'a name that an nn.ModuleDict takes: no dot, and none of '
                    'its own methods (to, keys, half, ...)',
                    'Call it something else, in loss_forward_mappings too',
                )
    for name, config in examined.part('connectors').items():
        parts = config if isinstance(config, list | tuple) else [config]
        for part in parts:
            key = f'model.distiller.connectors.{name}'
            _, faults = _built(key, part, examined.scope)
            yield from faults
    for name, config in examined.part('distill_losses').items():
        key = f'model.distiller.distill_losses.{name}'
        loss, faults = _built(key, config, examined.scope)
        yield from faults
        if loss is not None:
            yield from _arguments(examined, name, loss)


def _built(
    key: str, config: Any, scope: str
) -> tuple[nn.Module | None, list[Finding]]:
    """Build a part of the distiller, or find why not."""
    if not isinstance(config, Mapping):
        fault = error(key, repr(config), 'a dict with its type')
        return None, [fault]
    if 'type' not in config:
        return None, [error(key, 'no type', 'the name of a class')]
    kind = config['type']
    if isinstance(kind, str):
        kind = _class(kind)
    if kind is None:
        return None, [_unknown_type(f'{key}.type', config['type'])]
    try:
        with empty_weights(scope):
            return _build(config), []
    except Exception:  # which may be due to the meta device
        try:
            with (
                quiet(),
                preserved_random_state(),
                DefaultScope.overwrite_default_scope(scope),
            ):
                return _build(config), []
        except Exception as failure:
            fault = error(
                key,
                f'{kind.__name__} cannot be built: {named(failure)}',
                '',
                suggestion(failure, kind, MODELS),
            )
            return None, [fault]


def _can_name_a_module(name: Any) -> bool:
    is_free = isinstance(name, str) and not hasattr(nn.ModuleDict, name)
    return is_free and bool(name) and '.' not in name


def _build(config: Mapping) -> nn.Module:
    config = ConfigDict(copy.deepcopy(dict(config)))
    return MODELS.build({'_scope_': 'mmrazor', **config})


def _class(kind: str) -> Any:
    with quiet(), MODELS.switch_scope_and_registry('mmrazor') as registry:
        return registry.get(kind)


def _unknown_type(key: str, kind: str) -> Finding:
    return error(
        key,
        repr(kind),
        "a class that is registered in MMRazor's scope",
        did_you_mean(kind, registered(MODELS))
        or 'Name its module in custom_imports',
    )


def _arguments(
    examined: ExaminedConfig, name: str, loss: nn.Module
) -> Iterator[Finding]:
    """Compare the arguments of a mapping to those of the loss."""
    mapping = examined.part('loss_forward_mappings').get(name)
    parameters = signature(loss.forward).parameters
    if not isinstance(mapping, Mapping) or any(
        p.kind in _OPEN for p in parameters.values()
    ):
        return
    key = f'model.distiller.loss_forward_mappings.{name}'
    kind = type(loss).__name__
    unknown = [argument for argument in mapping if argument not in parameters]
    for argument in unknown:
        yield error(
            f'{key}.{argument}',
            f'{kind} takes no {argument!r}',
            f'its arguments: {", ".join(parameters)}',
            did_you_mean(argument, list(parameters)),
        )
    missing = [
        argument
        for argument, parameter in parameters.items()
        if parameter.default is Parameter.empty and argument not in mapping
    ]
    if missing and not unknown:
        yield error(
            key,
            f'nothing for {", ".join(missing)} of {kind}',
            'a record for each argument without a default',
            'Add ' + ', '.join(f'{a}=dict(...)' for a in missing),
        )
