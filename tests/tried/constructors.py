"""Every optimizer constructor that the installed libraries register."""

from mmengine.runner import Runner

from tests.tried import models
from tests.tried.runs import Case

_RULES = dict(
    norm_decay_mult=0.0, custom_keys=dict(backbone=dict(lr_mult=0.1))
)


def _rates(least: int):
    """It worked if the student's groups have so many learning rates."""

    def worked(runner: Runner) -> bool:
        return (
            len({group['lr'] for group in runner.optim_wrapper.param_groups})
            >= least
        )

    return worked


def _case(name: str, rules: dict, rates: int, *, pair=None, **wrapper) -> Case:
    wrapper.update(constructor=name, paramwise_cfg=rules)
    return Case(
        name,
        dict(optim=wrapper),
        _rates(rates),
        **(dict(pair=pair) if pair else {}),
    )


CASES = [
    _case(
        'mmengine.DefaultOptimWrapperConstructor',
        _RULES,
        2,
        clip_grad=dict(max_norm=0.1),
    ),
    _case('mmseg.ForceDefaultOptimWrapperConstructor', _RULES, 2),
    *(
        _case(
            f'{library}.LearningRateDecayOptimizerConstructor',
            dict(decay_rate=0.7, decay_type='stage_wise', num_layers=6),
            3,
            pair=models.convnext_pair,
        )
        for library in ('mmdet', 'mmseg')
    ),
    _case(
        'mmseg.LayerDecayOptimizerConstructor',
        dict(layer_decay_rate=0.7, num_layers=4),
        4,
        pair=models.beit_pair,
    ),
]
EXCEPTIONS = {
    'mmrazor.SeparateOptimWrapperConstructor': 'makes an optimizer for each '
    'submodel, which no detector or segmentor trains with',
}
