"""Reads the models of plain configs and of distillation configs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from cankd_mm.config_checks.examined_config import (
    ROLES,
    ExaminedConfig,
    Link,
)
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_walk import dicts, type_name


@dataclass(frozen=True)
class ReadModel:
    """A model out of a config file.

    Attributes:
        path: The file, as the user named it.
        config: The model's.
        scope: The registry scope of its types.
        size: The one size that the recipe brings its images to, if any.
        compared: What the losses of a distillation take of it: modules, and
            which item of what they return, None for all.
    """

    path: str
    config: Mapping[str, Any]
    scope: str
    size: tuple[int, int] | None = None
    compared: frozenset[tuple[str, int | None]] = field(
        default_factory=frozenset
    )


def read_models(path: str) -> list[ReadModel]:
    """Read the model of a config, or student and teacher.

    Args:
        path: A config file, or ``package::path``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It has no model, or the student or teacher of a
            distillation cannot be read.
    """
    cfg = config_from_file(path, 'config')
    examined = ExaminedConfig(cfg)
    if not examined.is_distillation:
        return [plain_model(cfg, path)]
    models = []
    for role in ROLES:
        model = getattr(examined, role)
        if model is None:
            raise ValueError(
                f'{path}: the {role} cannot be read: '
                f'{examined.unreadable(role) or "it is no config"}'
            )
        compared = frozenset(
            (examined.source(link), index)
            for link in examined.links
            if link.role == role
            for index in _indices(link, examined)
        )
        models.append(
            ReadModel(
                f'the {role} of {path}',
                model.config,
                model.scope,
                fixed_size(cfg, model.config),
                compared,
            )
        )
    return models


def _indices(link: Link, examined: ExaminedConfig) -> list[int | None]:
    """Return which items of a record a loss takes, [None] for all."""
    loss = examined.part('distill_losses').get(link.loss) or {}
    if link.data_idx is None and loss.get('num_levels', 1) > 1:
        return list(range(loss['num_levels']))
    return [link.data_idx]


def plain_model(cfg: Config, path: str) -> ReadModel:
    """Read the model of a config without a teacher.

    Args:
        cfg: The config.
        path: Its file.

    Raises:
        ValueError: It defines no model.
    """
    if 'model' not in cfg:
        raise ValueError(
            f'{path} defines no `model`. Name the config of a whole detector '
            'or segmentor'
        )
    model = dict(cfg.model)
    if 'data_preprocessor' in cfg:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    scope = cfg.get('default_scope') or 'mmengine'
    return ReadModel(path, model, scope, fixed_size(cfg, model))


def fixed_size(
    cfg: Config, model: Mapping[str, Any]
) -> tuple[int, int] | None:
    """Return the one size that a recipe brings all its images to, if any.

    Args:
        cfg: A whole config.
        model: The model of it that is looked at.

    Returns:
        Height and width.
    """
    size = (model.get('data_preprocessor') or {}).get('size')
    if _is_size(size):
        return tuple(size)
    found = None
    for _, step in dicts(cfg.get('train_dataloader') or {}):
        found = _size_after(step) or found
    return found


def _size_after(step: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size that a step of a pipeline gives to every image."""
    kind = type_name(step)
    if kind == 'RandomCenterCropPad':
        size = step.get('crop_size')
        return tuple(size) if _is_size(size) else None
    if kind == 'Pad':
        size = step.get('size')
    elif kind == 'Resize' and not step.get('keep_ratio'):
        size = step.get('scale')
    else:
        return None
    # Width and height.
    return tuple(size)[::-1] if _is_size(size) else None


def _is_size(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(side, int) and side > 0 for side in value)
    )
