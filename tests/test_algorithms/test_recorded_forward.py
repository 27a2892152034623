"""A model is left as soon as all is recorded, whatever it catches."""

import torch
from mmrazor.models.task_modules import RecorderManager
from torch import nn

from cankd_mm.algorithms.recorded_forward import RecordedForward
from cankd_mm.algorithms.records import Records


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
