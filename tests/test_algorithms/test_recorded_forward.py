"""A model is left as soon as all is recorded, whatever it catches."""

import copy

import torch
from mmrazor.models.task_modules import RecorderManager
from mmrazor.registry import MODELS
from torch import nn

from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.algorithms.records import Records
from tests import tiny_models


class Catching(nn.Module):
    """Goes on after a failure of a part."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 1)
        self.second = nn.Conv2d(2, 2, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        try:
            x = self.first(inputs)
        except Exception:
            x = inputs[:, :2]
        return self.second(x)


def run(whole: bool) -> tuple[list[str], Records]:
    model, called = Catching(), []
    for name, module in model.named_children():
        module.register_forward_hook(lambda *_, name=name: called.append(name))
    recorders = dict(a=dict(type='mmrazor.ModuleOutputs', source='first'))
    records = Records(RecorderManager(recorders), 'teacher')
    RecordedForward(records, dict(a=1), whole)(model, torch.ones(1, 3, 2, 2))
    return called, records


def test_no_except_of_a_model_keeps_it_running():
    called, records = run(whole=False)
    assert called == ['first']
    assert records.count('a') == 1


def test_whole_forwards_run_to_their_end():
    called, records = run(whole=True)
    assert called == ['first', 'second']
    assert records.count('a') == 1


def _cls_pair(index: int, other: int):
    config = tiny_models.distillation(
        tiny_models.retinanet(),
        tiny_models.retinanet(16),
        source='bbox_head.retina_cls',
        loss=dict(type='mmrazor.L2Loss'),
    )
    distiller = config.distiller
    distiller.distill_losses.loss_other = dict(type='mmrazor.L2Loss')
    mappings = distiller.loss_forward_mappings
    mappings.loss_other = copy.deepcopy(mappings.loss_distill)
    for name, value in (('loss_distill', index), ('loss_other', other)):
        for record in mappings[name].values():
            record['record_idx'] = value
    torch.manual_seed(0)
    model = MODELS.build(config)
    batch = model.data_preprocessor(tiny_models.detection_batch(), True)
    losses = model(**batch, mode='loss')
    return losses['distill.loss_distill'], losses['distill.loss_other']


def test_negative_record_idx_counts_from_the_end_of_the_forward():
    levels = tiny_models.retinanet().neck.num_outs
    last, first = _cls_pair(-1, 0)
    expected = _cls_pair(levels - 1, 0)
    assert torch.equal(last, expected[0])
    assert torch.equal(first, expected[1])
    assert not torch.equal(last, first)
    alone, _ = _cls_pair(-1, -levels)
    assert torch.equal(alone, last)
