"""MMRazor's losses and connectors work without mmcls."""

import math
import sys

import pytest
import torch
from mmengine.structures import BaseDataElement
from mmrazor.models import losses
from mmrazor.models.architectures import connectors
from mmrazor.registry import MODELS
from mmrazor.utils import get_placeholder
from torch import Tensor

from cankd_mm import compat
from cankd_mm.compat import mmrazor_kd_soft_ce
from cankd_mm.compat.mmrazor_kd_soft_ce import soft_cross_entropy
from tests.commands import run

MODULE = sys.modules[mmrazor_kd_soft_ce._MODULE]

WITH_MMCLS = """
import cankd_mm
from cankd_mm import compat
from mmrazor.registry import MODELS
loss = MODELS.build(dict(type='mmrazor.KDSoftCELoss'))
from mmcls.models.losses.cross_entropy_loss import soft_cross_entropy
assert loss.cls_criterion is soft_cross_entropy
assert 'mmrazor_kd_soft_ce' not in compat.applied()
print('mmcls is used')
"""


def kd_soft_ce(**kwargs):
    return MODELS.build(dict(type='mmrazor.KDSoftCELoss', **kwargs))


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def slow_cross_entropy(student, teacher, weight, tau) -> list[Tensor]:
    """The loss of each sample, from its definition, one term at a time."""
    samples = []
    for s, t in zip(student, teacher, strict=True):
        s, t = s / tau, t / tau
        s_total = sum(value.exp() for value in s)
        t_total = sum(value.exp() for value in t)
        samples.append(
            [
                -(t[c].exp() / t_total) * (s[c].exp() / s_total).log()
                for c in range(len(s))
            ]
        )
    if weight is None:
        return [sum(terms) for terms in samples]
    return [
        sum(terms) * w
        if w.ndim == 0
        else sum(term * v for term, v in zip(terms, w, strict=True))
        for terms, w in zip(samples, weight, strict=True)
    ]


def slow_loss(student, teacher, weight, options) -> Tensor:
    tau = options.get('tau', 1.0)
    loss = torch.stack(slow_cross_entropy(student, teacher, weight, tau))
    if options.get('reduction', 'mean') == 'mean':
        loss = loss.sum() / options.get('avg_factor', len(student))
    elif options['reduction'] == 'sum':
        loss = loss.sum()
    if options.get('mult_tem_square', True):
        loss = loss * tau**2
    return loss * options.get('loss_weight', 1.0)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(tau=4.0),
        dict(tau=4.0, mult_tem_square=False),
        dict(tau=0.5, reduction='sum', loss_weight=3.0),
        dict(reduction='none', tau=2.0),
        dict(reduction=None),
        dict(avg_factor=7),
        dict(avg_factor=7, reduction='none'),
    ],
    ids=str,
)
# As many samples as classes: weights of the samples are none of the classes.
@pytest.mark.parametrize('shape', [None, (5,), (5, 5)], ids=str)
def test_value_and_gradients(options, shape):
    pairs = [(double(5, 5), double(5, 5)) for _ in range(2)]
    for there, here in zip(*pairs, strict=True):
        here.data.copy_(there.data)
    weight = None if shape is None else torch.rand(shape).double()
    build = {k: v for k, v in options.items() if k != 'avg_factor'}
    found = kd_soft_ce(**build)(
        *pairs[0], weight, avg_factor=options.get('avg_factor')
    )
    expected = slow_loss(*pairs[1], weight, options)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    direction = torch.randn_like(expected)
    found.backward(direction)
    expected.backward(direction)
    for here, there in zip(*pairs, strict=True):
        torch.testing.assert_close(
            here.grad, there.grad, rtol=1e-10, atol=1e-13
        )


def test_reduction_of_a_call_is_used():
    args = double(4, 5), double(4, 5)
    found = kd_soft_ce()(*args, reduction_override='sum')
    assert torch.equal(found, kd_soft_ce(reduction='sum')(*args))


def test_gradients_numerically():
    label = torch.rand(3, 4).double().softmax(-1)
    weight = torch.rand(3).double()
    assert torch.autograd.gradcheck(
        lambda pred: soft_cross_entropy(pred, label, weight, 'none'),
        double(3, 4),
    )


def test_large_logits_have_a_finite_loss():
    student = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    loss = kd_soft_ce()(student, -student.detach())
    assert loss.item() == pytest.approx(2e4)
    loss.backward()
    assert student.grad.isfinite().all()


def test_of_equal_predictions_is_the_entropy():
    loss = kd_soft_ce()(torch.zeros(2, 8), torch.zeros(2, 8))
    assert loss.item() == pytest.approx(math.log(8))


def test_positions_of_a_map_are_samples():
    student, teacher = double(2, 3, 5), double(2, 3, 5)
    weight = torch.rand(2, 3)
    torch.testing.assert_close(
        kd_soft_ce()(student, teacher, weight),
        kd_soft_ce()(*(x.flatten(0, 1) for x in (student, teacher, weight))),
    )


def test_weights_may_be_flags():
    args = double(4, 5), double(4, 5)
    flags = torch.tensor([True, False, True, True])
    assert torch.equal(
        kd_soft_ce(reduction='none')(*args, flags)[1], torch.zeros(()).double()
    )


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(weight=torch.ones(5)), r'\(5,\) .* \(4, 5\): expected \(4,\)'),
        (dict(weight=torch.ones(4, 1)), r'\(4, 1\)'),
        (dict(reduction_override='batchmean'), "reduction='batchmean'"),
        (dict(reduction_override='sum', avg_factor=2), 'avg_factor=2'),
    ],
    ids=['classes', 'column', 'reduction', 'average'],
)
def test_arguments_that_do_not_fit_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        kd_soft_ce()(double(4, 5), double(4, 5), **kwargs)


def test_applied_once_losses_are_imported():
    assert not mmrazor_kd_soft_ce.needed()
    assert 'mmrazor_kd_soft_ce' in compat.applied()
    assert not any(name.partition('.')[0] == 'mmcls' for name in sys.modules)


def test_needed_where_mmcls_is_missing(monkeypatch):
    monkeypatch.setattr(MODULE, 'soft_cross_entropy', get_placeholder('mmcls'))
    assert mmrazor_kd_soft_ce.needed()
    with pytest.raises(TypeError, match='PlaceHolder'):
        kd_soft_ce()(double(4, 5), double(4, 5))
    mmrazor_kd_soft_ce.apply()
    assert not mmrazor_kd_soft_ce.needed()
    assert kd_soft_ce()(double(4, 5), double(4, 5)) > 0


def test_mmcls_is_used_where_it_is_installed(tmp_path):
    package = tmp_path / 'mmcls' / 'models' / 'losses'
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / '__init__.py').touch()
    (package / 'cross_entropy_loss.py').write_text(
        'def soft_cross_entropy(*args, **kwargs):\n    pass\n'
    )
    add_path = f'import sys; sys.path.append({str(tmp_path)!r})'
    output = run(sys.executable, '-c', add_path + WITH_MMCLS)
    assert 'mmcls is used' in output


def features(channels: int = 6) -> Tensor:
    return torch.randn(4, channels, 8, 8, requires_grad=True)


def logits() -> Tensor:
    return torch.randn(4, 5, requires_grad=True)


def labels() -> Tensor:
    return torch.tensor([0, 1, 4, 2])


# By connector: its arguments.
CONNECTORS = dict(
    BYOTConnector=dict(
        in_channel=3, out_channel=6, num_classes=5, expansion=2, stride=2
    ),
    CRDConnector=dict(dim_in=6 * 8 * 8, dim_out=12),
    ConvModuleConnector=dict(in_channel=6, out_channel=7),
    FBKDStudentConnector=dict(in_channels=6),
    FBKDTeacherConnector=dict(in_channels=6),
    MGDConnector=dict(student_channels=6, teacher_channels=7),
    NormConnector=dict(in_channels=6, norm_cfg=dict(type='BN')),
    OFDTeacherConnector=dict(),
    Paraphraser=dict(in_channel=6, out_channel=7),
    TorchFunctionalConnector=dict(
        function_name='avg_pool2d', func_args=dict(kernel_size=4)
    ),
    TorchNNConnector=dict(
        module_name='Conv2d',
        module_args=dict(in_channels=6, out_channels=7, kernel_size=1),
    ),
    Translator=dict(in_channel=6, out_channel=7),
)


def connect(name: str, feature: Tensor):
    connector = MODELS.build(dict(type=f'mmrazor.{name}', **CONNECTORS[name]))
    if name == 'OFDTeacherConnector':
        connector.init_margin(torch.zeros(1, 6, 1, 1))
    return connector(feature)


def crd_samples() -> list[BaseDataElement]:
    return [BaseDataElement(sample_idx=torch.tensor(i)) for i in range(4)]


# By loss: its arguments, and what makes its inputs.
LOSSES = dict(
    ABLoss=({}, features, features),
    ATLoss=({}, features, features),
    ActivationLoss=({}, features),
    AngleWiseRKD=({}, logits, logits),
    CRDLoss=(
        dict(neg_num=8, sample_n=50, dim_out=12),
        lambda: connect('CRDConnector', features()),
        lambda: connect('CRDConnector', features()).detach(),
        crd_samples,
    ),
    ChannelWiseDivergence=({}, features, features),
    CrossEntropyLoss=({}, logits, logits),
    DISTLoss=({}, logits, logits),
    DKDLoss=({}, logits, logits, labels),
    DistanceWiseRKD=({}, logits, logits),
    FBKDLoss=(
        {},
        lambda: connect('FBKDStudentConnector', features()),
        lambda: connect('FBKDTeacherConnector', features()),
    ),
    FTLoss=({}, features, features),
    InformationEntropyLoss=({}, logits),
    KDSoftCELoss=({}, logits, logits),
    KLDivergence=({}, logits, logits),
    L1Loss=({}, features, features),
    L2Loss=({}, features, features),
    MGDLoss=({}, features, features),
    OFDLoss=({}, features, features),
    OnehotLikeLoss=({}, logits),
    PKDLoss=({}, features, features),
    WSLD=(dict(num_classes=5), logits, logits, labels),
)


def test_every_loss_and_connector_of_mmrazor_is_tried():
    assert set(LOSSES) == set(losses.__all__)
    assert set(CONNECTORS) == set(connectors.__all__)


@pytest.mark.parametrize('name', LOSSES)
def test_loss_of_mmrazor(name):
    arguments, *makers = LOSSES[name]
    loss = MODELS.build(dict(type=f'mmrazor.{name}', **arguments))
    inputs = [make() for make in makers]
    value = loss(*inputs)
    value.sum().backward()
    assert value.isfinite().all()
    if isinstance(inputs[0], Tensor) and inputs[0].is_leaf:
        assert inputs[0].grad.isfinite().all()
        assert inputs[0].grad.any()


@pytest.mark.parametrize('name', CONNECTORS)
def test_connector_of_mmrazor(name):
    feature = features()
    found = connect(name, feature)
    outputs = found if isinstance(found, tuple) else (found,)
    assert all(output.isfinite().all() for output in outputs)
    # This one detaches the teacher's feature itself.
    if name != 'OFDTeacherConnector':
        # Cubed: the sum of what is normalized is constant.
        sum(output.pow(3).sum() for output in outputs).backward()
        assert feature.grad.isfinite().all()
        assert feature.grad.any()
