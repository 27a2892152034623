"""A recipe's constructor sees the student; the distiller has own groups."""

import copy
import sys

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.engine.optimizers.distiller_groups import separate_distillers
from tests import tiny_models
from tests.commands import run

RULES = {
    'none': None,
    'norms and biases': dict(
        norm_decay_mult=0.0, bias_lr_mult=2.0, bias_decay_mult=0.0
    ),
    'names': dict(
        custom_keys=dict(backbone=dict(lr_mult=0.1), out_norm=dict(lr_mult=9))
    ),
}


@pytest.fixture
def models():
    torch.manual_seed(0)
    config = tiny_models.retinanet_pair()
    return MODELS.build(config), MODELS.build(config['architecture'])


def optimizer_of(model, rules, **kwargs):
    config = dict(
        optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05), **kwargs
    )
    if rules is not None:
        config['paramwise_cfg'] = rules
    return build_optim_wrapper(model, config)


def settings(model, wrapper) -> list[tuple]:
    """Names, learning rate and decay of each group."""
    names = {id(p): name for name, p in model.named_parameters()}
    return [
        (
            [names[id(p)] for p in group['params']],
            group['lr'],
            group['weight_decay'],
        )
        for group in wrapper.optimizer.param_groups
    ]


@pytest.mark.parametrize('rules', RULES.values(), ids=RULES)
def test_groups_of_the_student_are_the_plain_recipes(rules, models):
    distilled, plain = models
    found = settings(distilled, optimizer_of(distilled, rules))
    assert found[:-1] == settings(plain, optimizer_of(plain, rules))
    names, lr, decay = found[-1]
    assert names == [
        f'distiller.{name}'
        for name, _ in distilled.distiller.named_parameters()
    ]
    assert (lr, decay) == (1e-3, 0.05)


@pytest.mark.parametrize('rules', RULES.values(), ids=RULES)
def test_factors_are_the_distillers(rules, models):
    distilled, plain = models
    factors = dict(distiller_lr_mult=3.0, distiller_decay_mult=0.0)
    found = settings(
        distilled, optimizer_of(distilled, {**(rules or {}), **factors})
    )
    assert found[:-1] == settings(plain, optimizer_of(plain, rules))
    assert found[-1][1:] == (3e-3, 0.0)
    # A plain model may have them in its config, too.
    assert settings(plain, optimizer_of(plain, factors)) == settings(
        plain, optimizer_of(plain, None)
    )


@pytest.mark.parametrize('key', ['distiller_lr_mult', 'distiller_decay_mult'])
@pytest.mark.parametrize('value', [-1, '2', None])
def test_factors_out_of_range_are_named(key, value, models):
    with pytest.raises((TypeError, ValueError), match=f'paramwise_cfg.{key}'):
        optimizer_of(models[0], {key: value})


def test_distiller_is_hidden_only_from_the_constructor(models):
    distilled, _ = models
    optimizer_of(distilled, None)
    assert 'distiller' in dict(distilled.named_children())

    class Failing:
        def __init__(self, **kwargs):
            pass

        def __call__(self, model):
            assert 'distiller' not in dict(model.named_children())
            raise KeyError('mine')

    OPTIM_WRAPPER_CONSTRUCTORS.register_module(module=Failing, force=True)
    with pytest.raises(KeyError, match='mine'):
        optimizer_of(distilled, None, constructor='Failing')
    assert 'distiller' in dict(distilled.named_children())


def test_distiller_without_parameters_has_no_group():
    config = tiny_models.retinanet_pair(
        loss=dict(type='mmrazor.L2Loss', normalize=False)
    )
    mapping = config.distiller.loss_forward_mappings.loss_distill
    mapping.s_feature.data_idx = mapping.t_feature.data_idx = 0
    model = MODELS.build(config)
    plain = MODELS.build(config['architecture'])
    assert settings(model, optimizer_of(model, None)) == settings(
        plain, optimizer_of(plain, None)
    )


def test_frozen_parameters_of_the_distiller_are_left_out(models):
    distilled, _ = models
    for parameter in distilled.distiller.parameters():
        parameter.requires_grad = False
    assert len(optimizer_of(distilled, None).optimizer.param_groups) == 1


def test_registering_twice_wraps_once():
    build = OPTIM_WRAPPER_CONSTRUCTORS.build_func
    separate_distillers()
    assert OPTIM_WRAPPER_CONSTRUCTORS.build_func is build


def test_wrapped_models_are_found(models, monkeypatch):
    distilled, plain = models
    wrapped = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.module = distilled
    found = settings(distilled, optimizer_of(wrapped, None))
    assert found[:-1] == settings(plain, optimizer_of(plain, None))


def test_state_of_the_optimizer_is_saved_and_loaded(models):
    distilled, _ = models
    wrapper = optimizer_of(distilled, None)
    distilled.train_step(tiny_models.detection_batch(), wrapper)
    state = wrapper.state_dict()
    other = optimizer_of(distilled, None)
    other.load_state_dict(state)
    assert other.state_dict()['param_groups'] == state['param_groups']
    assert len(other.state_dict()['state']) == len(state['state'])


@pytest.mark.parametrize(
    ('name', 'remedy'),
    [
        ('architecture.backbone', "Write 'backbone'"),
        ('distiller', 'paramwise_cfg.distiller_lr_mult'),
    ],
)
def test_names_that_match_nothing_are_named(name, remedy, models):
    distilled, plain = models
    rules = dict(custom_keys={name: dict(lr_mult=0.1)})
    optimizer_of(plain, rules)
    with pytest.raises(ValueError, match=f"custom_keys: '{name}'.*{remedy}"):
        optimizer_of(distilled, rules)


def test_attributes_of_the_recipes_constructor_are_there():
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type='DefaultOptimWrapperConstructor',
            optim_wrapper_cfg=dict(optimizer=dict(type='SGD', lr=0.1)),
            paramwise_cfg=dict(bias_lr_mult=2.0),
        )
    )
    assert constructor.paramwise_cfg == dict(bias_lr_mult=2.0)
    assert copy.deepcopy(constructor).base_lr == 0.1


def test_other_models_need_no_task_library():
    code = """
import sys
import cankd_mm
import torch
from mmengine.optim import build_optim_wrapper
build_optim_wrapper(
    torch.nn.Linear(1, 1), dict(optimizer=dict(type='SGD', lr=0.1)))
print([n for n in ('mmdet.models', 'mmseg.models') if n in sys.modules])
"""
    assert run(sys.executable, '-c', code).strip().endswith('[]')
