"""Losses of others get what they need, and what does not fit is named."""

import pytest
import torch
from mmrazor.registry import MODELS

from tests import tiny_models

CWD = dict(type='mmrazor.ChannelWiseDivergence')


def _cwd_pair(student, teacher, source, data_idx=None, **kwargs):
    config = tiny_models.distillation(
        student, teacher, source=source, loss=CWD, **kwargs
    )
    arguments = {
        argument: dict(from_student=from_student, recorder='features')
        for argument, from_student in (('preds_S', True), ('preds_T', False))
    }
    if data_idx is not None:
        for record in arguments.values():
            record['data_idx'] = data_idx
    config.distiller.loss_forward_mappings.loss_distill = arguments
    return config


def _losses(model, batch=None) -> dict:
    data = model.data_preprocessor(
        batch or tiny_models.detection_batch(), True
    )
    return model.train()(**data, mode='loss')


@pytest.mark.parametrize(
    'options',
    [
        dict(teacher_channels_last=True),
        dict(teacher_dtype='bfloat16', teacher_channels_last=True),
    ],
    ids=['channels_last', 'bfloat16'],
)
def test_mmrazors_loss_gets_contiguous_float32_features(options):
    config = _cwd_pair(
        tiny_models.retinanet(),
        tiny_models.retinanet(16),
        'neck',
        0,
        **options,
    )
    model = MODELS.build(config)
    model.to(memory_format=torch.channels_last)
    seen = {}
    model.distiller.distill_losses['loss_distill'].register_forward_pre_hook(
        lambda module, args, kwargs: seen.update(kwargs), with_kwargs=True
    )
    with torch.autocast('cpu', torch.bfloat16):
        losses = _losses(model)
    losses['distill.loss_distill'].backward()
    assert {tensor.dtype for tensor in seen.values()} == {torch.float32}
    assert all(tensor.is_contiguous() for tensor in seen.values())


def test_regions_of_different_proposals_are_named():
    config = _cwd_pair(
        tiny_models.faster_rcnn(),
        tiny_models.faster_rcnn(16),
        'roi_head.bbox_roi_extractor',
    )
    model = MODELS.build(config)
    with pytest.raises(ValueError) as error:
        _losses(model)
    for part in (
        'distill_losses.loss_distill',
        'in training',
        "preds_S: student 'roi_head.bbox_roi_extractor' (",
        "preds_T: teacher 'roi_head.bbox_roi_extractor' (",
        'own proposals',
        'the neck',
    ):
        assert part in str(error.value)


def test_remedy_for_regions_works():
    config = _cwd_pair(
        tiny_models.faster_rcnn(), tiny_models.faster_rcnn(16), 'neck', 0
    )
    losses = _losses(MODELS.build(config))
    assert losses['distill.loss_distill'].isfinite()


def test_sequence_for_a_loss_of_one_level_is_named():
    config = _cwd_pair(
        tiny_models.retinanet(), tiny_models.retinanet(16), 'neck'
    )
    with pytest.raises(ValueError, match=r'(?s)sequence of levels.*data_idx'):
        MODELS.build(config)


def test_level_that_is_not_there_is_named():
    config = _cwd_pair(
        tiny_models.retinanet(), tiny_models.retinanet(16), 'neck', 7
    )
    with pytest.raises(
        ValueError,
        match=r"'neck' returns \[\(1, 16.*data_idx is 7.*data_idx in",
    ):
        MODELS.build(config)


def test_level_of_a_single_tensor_is_named():
    config = _cwd_pair(
        tiny_models.retinanet(),
        tiny_models.retinanet(16),
        'backbone.layer4',
        0,
    )
    with pytest.raises(
        ValueError,
        match=r"'backbone.layer4' returns \(1, .*leave it out for a single",
    ):
        MODELS.build(config)


def test_record_that_training_does_not_make_is_named():
    config = _cwd_pair(
        tiny_models.retinanet(), tiny_models.retinanet(16), 'neck', 0
    )
    model = MODELS.build(config)
    # Past its hooks, as code that calls `forward` itself does.
    model.extract_feat = lambda x: model.neck.forward(model.backbone(x))
    with pytest.raises(
        ValueError,
        match=r"student_recorders.features.source='neck' has 0 records "
        r'in training.*loss_distill.preds_S uses record_idx=0',
    ):
        _losses(model)


def test_short_memory_is_no_fault_of_the_features(monkeypatch):
    config = _cwd_pair(
        tiny_models.retinanet(), tiny_models.retinanet(16), 'neck', 0
    )
    model = MODELS.build(config)

    def forward(**features):
        raise torch.cuda.OutOfMemoryError('no memory')

    loss = model.distiller.distill_losses['loss_distill']
    monkeypatch.setattr(loss, 'forward', forward)
    with pytest.raises(torch.cuda.OutOfMemoryError, match='^no memory$'):
        _losses(model)
