"""The losses take training steps inside MMRazor's own algorithms."""

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData, PixelData
from mmrazor.registry import MODELS

from tests import tiny_models

# For the tiny detectors' necks and the tiny segmentors' last stages.
LOSSES = {
    'CanKDLoss': (
        dict(in_channels=16, num_levels=3),
        dict(in_channels=96),
    ),
    'TaTLoss': (
        dict(
            student_channels=16,
            teacher_channels=16,
            num_levels=3,
            patch_size=[(4, 4), (2, 2), None],
            anchor_stride=[None, (2, 2), (1, 1)],
        ),
        dict(student_channels=64, teacher_channels=96, patches_per_group=2),
    ),
}


def make_distiller(source, loss, connectors=None):
    recorder = dict(feature=dict(type='ModuleOutputs', source=source))
    student = dict(from_student=True, recorder='feature')
    if connectors:
        student['connector'] = 'projection'
    return dict(
        type='ConfigurableDistiller',
        student_recorders=recorder,
        teacher_recorders=recorder,
        connectors=connectors,
        distill_losses=dict(loss_distill=loss),
        loss_forward_mappings=dict(
            loss_distill=dict(
                s_feature=student,
                t_feature=dict(from_student=False, recorder='feature'),
            )
        ),
    )


def detection(name):
    from mmdet.structures import DetDataSample

    boxes = torch.tensor([[4.0, 6.0, 40.0, 52.0]])
    sample = DetDataSample(
        metainfo=dict(
            img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0)
        )
    )
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([1]))
    model = dict(
        type='FpnTeacherDistill',
        architecture=tiny_models.retinanet(8),
        teacher=tiny_models.retinanet(12),
        # P3 to P5: at this size P6 is a single position.
        distiller=make_distiller('neck', dict(LOSSES[name][0], type=name)),
    )
    return model, sample


def segmentation(name):
    from mmseg.structures import SegDataSample

    sample = SegDataSample(
        metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64))
    )
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 4, (1, 64, 64)))
    connectors = None
    if 'in_channels' in LOSSES[name][1]:
        connectors = dict(
            projection=dict(
                type='ProjectionConnector', in_channels=64, out_channels=96
            )
        )
    model = dict(
        type='SingleTeacherDistill',
        architecture=tiny_models.fcn(8),
        teacher=tiny_models.fcn(12),
        distiller=make_distiller(
            'backbone.layer4', dict(LOSSES[name][1], type=name), connectors
        ),
    )
    return model, sample


@pytest.mark.parametrize('make', [detection, segmentation])
@pytest.mark.parametrize('name', LOSSES)
def test_training_steps_reach_student_and_loss(make, name):
    torch.manual_seed(0)
    config, sample = make(name)
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    loss = model.distiller.distill_losses['loss_distill']
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    data = dict(inputs=[image] * 2, data_samples=[sample, sample.clone()])
    weights = [
        next(model.student.backbone.layer4.parameters()),
        # Without the biases: a norm behind them cancels them.
        *(p for p in loss.parameters() if p.dim() > 1),
        *(p for p in model.distiller.connectors.parameters() if p.dim() > 1),
    ]
    before = [weight.detach().clone() for weight in weights]
    for _ in range(2):
        values = model.train_step(data, optimizer)
        assert 0 < values['distill.loss_distill'] < 1000
    for weight, start in zip(weights, before, strict=True):
        assert not torch.equal(weight, start)


@pytest.mark.parametrize('make', [detection, segmentation])
@pytest.mark.parametrize('name', LOSSES)
def test_distill_gradient_alone_reaches_the_student(make, name):
    torch.manual_seed(0)
    config, sample = make(name)
    model = MODELS.build(config)
    model.train()
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    data = dict(inputs=[image] * 2, data_samples=[sample, sample.clone()])
    data = model.data_preprocessor(data, True)
    losses = model(**data, mode='loss')
    losses['distill.loss_distill'].backward()
    student = model.student.backbone.layer4.parameters()
    assert any(p.grad is not None and p.grad.any() for p in student)
    assert all(p.grad is None for p in model.teacher.parameters())


@pytest.mark.parametrize('name', LOSSES)
def test_loss_is_no_module_that_mmengine_initialises(name):
    loss = MODELS.build(dict(LOSSES[name][0], type=f'mmrazor.{name}'))
    assert not any(isinstance(m, BaseModule) for m in loss.modules())
