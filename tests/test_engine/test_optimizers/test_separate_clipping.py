"""The gradients of student and distiller are clipped apart."""

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmrazor.registry import MODELS

from tests import tiny_models


def built():
    torch.manual_seed(0)
    config = tiny_models.retinanet_pair()
    model = MODELS.build(config)
    plain = MODELS.build(config['architecture'])
    plain.load_state_dict(tiny_models.student_state(model))
    return model, plain


def clipped(model, clip: dict) -> tuple:
    """Gradients of 1 for the student, of 1e6 for the distiller, clipped."""
    wrapper = build_optim_wrapper(
        model,
        dict(optimizer=dict(type='SGD', lr=0.0), clip_grad=clip),
    )
    for name, parameter in model.named_parameters():
        value = 1e6 if name.startswith('distiller') else 1.0
        parameter.grad = torch.full_like(parameter, value)
    wrapper.step()
    return wrapper, {n: p.grad for n, p in model.named_parameters()}


@pytest.mark.parametrize(
    'clip', [dict(max_norm=0.1), dict(type='value', clip_value=0.2)]
)
def test_student_is_clipped_as_without_a_distiller(clip):
    model, plain = built()
    hub = MessageHub.get_current_instance()
    _, expected = clipped(plain, clip)
    _, found = clipped(model, clip)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    distillers = torch.cat(
        [g.flatten() for n, g in found.items() if n not in expected]
    )
    if 'max_norm' in clip:
        assert distillers.norm().item() == pytest.approx(0.1, rel=1e-3)
        scalars = hub.log_scalars
        first, second = scalars['train/grad_norm'].data[0]
        assert first == second
        (norm,) = scalars['train/distiller_grad_norm'].data[0]
        assert norm == pytest.approx(1e6 * len(distillers) ** 0.5, rel=1e-3)
    else:
        assert distillers.max() == pytest.approx(0.2)


def test_without_clipping_the_wrapper_stays_as_it_is():
    model, _ = built()
    wrapper = build_optim_wrapper(
        model, dict(optimizer=dict(type='SGD', lr=1))
    )
    assert not hasattr(wrapper, 'distiller_parameters')


def test_groups_are_whole_after_a_failure():
    model, _ = built()
    wrapper, _ = clipped(model, dict(max_norm=0.1))
    count = len(wrapper.optimizer.param_groups)
    with pytest.raises(RuntimeError):
        model.neck.fpn_convs[0].conv.weight.grad.fill_(torch.nan)
        wrapper.clip_grad_kwargs['error_if_nonfinite'] = True
        wrapper.step()
    assert len(wrapper.optimizer.param_groups) == count
