"""Builds models with random weights that train for a step.

Nothing is downloaded. Random weights are not always weights that a model can
train from; what is done about it is here.
"""

import copy
import functools
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cankd_mm.utils.config_walk import dicts, type_name
from cankd_mm.utils.model_config import build_model

_WEIGHTS = ('pretrained', 'teacher_ckpt', 'load_from', 'checkpoint')
_INITS = ('Pretrained', 'PretrainedInit')
_SAN = 'MultimodalEncoderDecoder'


def random_model(config: ConfigDict, key: str) -> BaseModel:
    """Build a model and initialize it, without any checkpoint.

    Args:
        config: The model's; it is not changed.
        key: Its key, for error messages.
    """
    config = for_one_process(without_weights(with_own_teacher(config)))
    model = build_model(config, key)
    model.init_weights()
    settle(model)
    # Some models that initialize themselves do not record it.
    model._is_init = True
    return model


def without_weights(model: ConfigDict) -> ConfigDict:
    """Return a copy of a model's config that starts from random weights."""
    model = copy.deepcopy(model)
    for _, config in list(dicts(model)):
        for key in _WEIGHTS:
            if isinstance(config.get(key), str):
                config[key] = None
        if type_name(config) == _SAN:
            # It cannot start without a checkpoint.
            file = Path(_empty_checkpoint_folder().name, 'empty.pth')
            config['pretrained'] = str(file)
        init = config.get('init_cfg')
        inits = init if isinstance(init, list | tuple) else [init]
        kept = [
            i
            for i in inits
            # PVT's has a checkpoint and no type.
            if i and type_name(i) not in _INITS and 'checkpoint' not in i
        ]
        if init and len(kept) < len(inits):
            config['init_cfg'] = kept or None
    return model


@functools.cache
def _empty_checkpoint_folder() -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()
    torch.save({}, Path(folder.name, 'empty.pth'))
    return folder


def with_own_teacher(model: ConfigDict) -> ConfigDict:
    """Return a copy that holds the teacher which it names as a file.

    MMDetection's own distillation (LAD, LD) names files of a checkout,
    'configs/family/name.py'.

    Args:
        model: The model's config.
    """
    model = copy.deepcopy(model)
    path = model.get('teacher_config')
    if isinstance(path, str) and not Path(path).is_file():
        package = Path(find_spec('mmdet').origin).parent
        teacher = Config.fromfile(package / '.mim' / path)
        model['teacher_config'] = ConfigDict(model=teacher.model)
    return model


def for_one_process(model: ConfigDict) -> ConfigDict:
    """Return a copy with batch norms of one process, and images as they are.

    Args:
        model: The model's config.
    """
    model = copy.deepcopy(model)
    for _, config in list(dicts(model)):
        if type_name(config) == 'SyncBN':
            config['type'] = 'BN'
        config.pop('batch_augments', None)
    return model


@torch.no_grad()
def settle(model: nn.Module) -> None:
    """Mend random weights that no model trains from.

    The stages of a random cascade move the boxes out of the image, where
    QueryInst pastes masks into no box at all: their regression starts near
    zero. The weights of a TridentConv, and some of SAN's, are those of a
    checkpoint, or whatever is in memory.

    Args:
        model: It is changed.
    """
    if type(model).__name__.endswith(_SAN):
        for parameter in model.parameters():
            if parameter.ndim > 1 or not parameter.isfinite().all():
                nn.init.normal_(parameter, std=0.02)
    for name, module in model.named_modules():
        if name.endswith('.fc_reg') and isinstance(module, nn.Linear):
            module.weight.mul_(0.01)
        elif type(module).__name__ == 'TridentConv':
            nn.init.kaiming_normal_(module.weight)


@torch.no_grad()
def calibrate(model: nn.Module, batch: dict) -> None:
    """Give the batch norms the statistics that they have in a batch.

    In evaluation a random batch norm changes nothing, so the values of a deep
    model without other norms grow from block to block. Trained weights bring
    statistics with them.

    Args:
        model: A plain model; it is left in evaluation mode.
        batch: As a data loader gives it.
    """
    model.eval()
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
    data = model.data_preprocessor(batch, False)
    model.extract_feat(data['inputs'])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
