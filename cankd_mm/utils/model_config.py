"""Reads models out of config files, and builds them."""

import copy

from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import MODELS, DefaultScope

from cankd_mm.config.class_heads import class_counts
from cankd_mm.config.own_data.head_counts import HeadCounts
from cankd_mm.utils.config_file import config_from_file


def model_config_from_file(cfg: dict, key: str) -> tuple[ConfigDict, str]:
    """Reads the model of the config file that ``cfg['cfg_path']`` names.

    Of a distillation config this is the student. Every other key of ``cfg``
    is merged over the model's, so that
    ``dict(cfg_path=..., backbone=dict(depth=18))`` changes one number.
    ``pretrained=True`` or ``False`` is left out: MMRazor's configs say it
    about the hub's weights, which the checkpoint keys replace here.

    Args:
        cfg: A dict with ``cfg_path`` and overrides.
        key: The config key of ``cfg``, for error messages.

    Returns:
        The model's config and the scope that its types are registered in.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has no model.
    """
    overrides = copy.deepcopy(dict(cfg))
    path = overrides.pop('cfg_path')
    if isinstance(overrides.get('pretrained'), bool):
        overrides.pop('pretrained')
    num_classes = overrides.pop('num_classes', None)
    config = config_from_file(path, f'{key}.cfg_path')
    if 'model' not in config:
        raise ValueError(
            f'{key}.cfg_path={path!r}: the file defines no `model`. Name the '
            'config of a whole detector or segmentor'
        )
    scope = config.get('default_scope', 'mmengine')
    if 'architecture' in config.model:
        student = config.model.architecture
        if 'cfg_path' in student and 'type' not in student:
            model, scope = model_config_from_file(student, key)
            config = Config(dict(model=model))
        else:
            config = Config(dict(model=student))
    elif 'data_preprocessor' in config:
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
    config.merge_from_dict(dict(model=overrides))
    if num_classes is not None:
        former = class_counts(config.model).values()
        HeadCounts(num_classes, former).set_in(config.model)
    return config.model, scope


def build_model(cfg: dict | BaseModel, key: str) -> BaseModel:
    """Builds a model from a config file's name, a dict, or itself.

    Args:
        cfg: ``dict(cfg_path='mmdet::...' or a file, **overrides)``, a model
            config with ``type``, or a built model.
        key: The config key of ``cfg`` (``model.teacher``), for errors.

    Raises:
        TypeError: ``cfg`` is none of these, or builds something else.
        ValueError: The type of ``cfg`` is not registered in the scope that
            is looked in.
        FileNotFoundError: There is no file ``cfg_path``.
    """
    if isinstance(cfg, BaseModel):
        return cfg
    if not isinstance(cfg, dict):
        raise TypeError(
            f'{key} must be a dict or a built model, but is a '
            f'{type(cfg).__name__}. Write {key}=dict(cfg_path=...) or '
            f'{key}=dict(type=...)'
        )
    if 'cfg_path' in cfg and 'type' not in cfg:
        cfg, scope = model_config_from_file(cfg, key)
        with DefaultScope.overwrite_default_scope(scope):
            model = MODELS.build(cfg)
    else:
        model = _build_from_dict(cfg, key)
    if not isinstance(model, BaseModel):
        raise TypeError(
            f'{key} must build a model with losses and predictions (a '
            f'mmengine BaseModel), but built a {type(model).__name__}'
        )
    return model


def _build_from_dict(cfg: dict, key: str):
    try:
        return MODELS.build(cfg)
    except KeyError as error:
        if 'registry' not in str(error):
            raise
        raise ValueError(
            f'{key}: {error.args[0]} If the type belongs to a task library, '
            f"say so: {key}=dict(_scope_='mmdet', type=...)"
        ) from error
