"""Keeps the distiller's parameters apart from the student's."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from cankd_mm.engine.optimizers.separate_clipping import clip_separately
from cankd_mm.utils.arguments import check_weight
from cankd_mm.utils.model_wrapper import unwrapped_model

_LR, _DECAY = 'distiller_lr_mult', 'distiller_decay_mult'


def separate_distillers() -> None:
    """Let every optimizer constructor see only the student of a distillation.

    A recipe's constructor knows the names, the depth and the norms of its
    model, and nothing of a distiller. The function that builds constructors
    is the registry's own extension point, so a recipe keeps its constructor.
    Safe to call more than once.
    """
    registry = OPTIM_WRAPPER_CONSTRUCTORS
    build = registry.build_func
    if getattr(build, 'func', None) is not _build_constructor:
        registry.build_func = partial(_build_constructor, build)


class DistillerGroups:
    """Builds a recipe's optimizer for a student, and adds the distiller.

    The distiller's parameters form a group of their own, to which no rule of
    the recipe for biases, norms or names applies. Any other model is left to
    the recipe's constructor.

    Args:
        constructor: The recipe's constructor.
        lr_mult: Factor on the learning rate of the distiller.
        decay_mult: Factor on its weight decay.

    Examples:
        >>> optim_wrapper = dict(
        ...     optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
        ...     paramwise_cfg=dict(
        ...         distiller_lr_mult=10.0, distiller_decay_mult=0.0))
    """

    def __init__(
        self,
        constructor: Callable[[nn.Module], OptimWrapper],
        lr_mult: float = 1.0,
        decay_mult: float = 1.0,
    ) -> None:
        self.constructor = constructor
        self.lr_mult = lr_mult
        self.decay_mult = decay_mult

    def __call__(self, model: nn.Module) -> OptimWrapper | OptimWrapperDict:
        """Build the optimizer and what wraps it.

        Args:
            model: What is trained, in a wrapper or not.
        """
        student = unwrapped_model(model)
        if 'distiller' not in student._modules:
            return self.constructor(model)
        # They drag the task libraries in.
        from cankd_mm.algorithms.distilled import Distilled
        from cankd_mm.algorithms.records import guard_compiled_hooks

        if not isinstance(student, Distilled):
            return self.constructor(model)
        self._check_names()
        guard_compiled_hooks()
        with student.plain():
            wrapper = self.constructor(model)
        parameters = {
            name: parameter
            for name, parameter in student.named_parameters()
            if name.startswith('distiller.') and parameter.requires_grad
        }
        if parameters:
            self._add(parameters, wrapper)
        return wrapper

    def __getattr__(self, name: str) -> Any:
        """Look up what a recipe asks of its own constructor."""
        if name == 'constructor':  # not there yet: a copy
            raise AttributeError(name)
        return getattr(self.constructor, name)

    def _check_names(self) -> None:
        """Raise where ``custom_keys`` name what the student does not have.

        Raises:
            ValueError: A name that begins with 'architecture' or 'distiller'.
        """
        rules = getattr(self.constructor, 'paramwise_cfg', None) or {}
        for name in rules.get('custom_keys') or {}:
            first, _, rest = name.partition('.')
            key = f'optim_wrapper.paramwise_cfg.custom_keys: {name!r}'
            if first == 'architecture':
                raise ValueError(
                    f'{key} matches nothing: a distilled student has its own '
                    f'names. Write {rest or "the names without it"!r}'
                )
            if first == 'distiller':
                raise ValueError(
                    f'{key} matches nothing: the distiller has a group of its '
                    f'own. Set optim_wrapper.paramwise_cfg.{_LR} and '
                    f'{_DECAY} instead'
                )

    def _add(
        self,
        parameters: Mapping[str, nn.Parameter],
        wrapper: OptimWrapper | OptimWrapperDict,
    ) -> None:
        if isinstance(wrapper, OptimWrapperDict):
            wrapper = next(iter(wrapper.values()))
        optimizer = wrapper.optimizer
        group: dict[str, Any] = dict(params=list(parameters.values()))
        # With names in all groups or in none.
        if 'param_names' in optimizer.param_groups[0]:
            group['param_names'] = list(parameters)
        for key, factor in (
            ('lr', self.lr_mult),
            ('weight_decay', self.decay_mult),
        ):
            if optimizer.defaults.get(key) is not None:
                group[key] = optimizer.defaults[key] * factor
        optimizer.add_param_group(group)
        clip_separately(wrapper, group['params'])


def _build_constructor(
    build: Callable, cfg: dict, *args, **kwargs
) -> DistillerGroups:
    """Build a recipe's constructor, without what is the distiller's."""
    factors = {}
    rules = cfg.get('paramwise_cfg')
    if rules:
        rules = dict(rules)
        factors = {
            key: rules.pop(key) for key in (_LR, _DECAY) if key in rules
        }
        # The recipe without these keys.
        cfg = {**cfg, 'paramwise_cfg': rules or None}
    for key, value in factors.items():
        check_weight(f'optim_wrapper.paramwise_cfg.{key}', value)
    return DistillerGroups(
        build(cfg, *args, **kwargs),
        factors.get(_LR, 1.0),
        factors.get(_DECAY, 1.0),
    )
