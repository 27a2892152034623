"""What CSKD's configs promise beyond what every config does."""

import math

import pytest
import torch

from tests import tiny_models
from tests.test_configs import zoo

CONFIGS = zoo.configs('cskd')
SIZE = (64, 128)


def batch(path):
    """Two images that are wider than high."""
    scope = zoo.read(path).default_scope
    if scope == 'mmdet':
        from mmdet.testing import demo_mm_inputs

        return demo_mm_inputs(
            2,
            image_shapes=[(3, *SIZE)] * 2,
            num_items=[3, 3],
            num_classes=2,
            use_box_type=True,
        )
    batch = tiny_models.segmentation_batch(num_classes=2, size=SIZE[1])
    height = SIZE[0]
    batch['inputs'] = [image[:, :height] for image in batch['inputs']]
    for sample in batch['data_samples']:
        sample.set_metainfo(dict(img_shape=SIZE, ori_shape=SIZE))
        labels = sample.gt_sem_seg.pop('data')
        sample.gt_sem_seg.data = labels[:, :height]
    return batch


@pytest.mark.parametrize('path', CONFIGS, ids=zoo.name)
def test_images_that_are_not_square_train_the_last_stage_of_patches(path):
    model = zoo.build(path)
    loss = model.distiller.distill_losses.loss_cskd
    if getattr(model.data_preprocessor, 'size', None):
        model.data_preprocessor.size = SIZE
    seen = []
    loss.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs), with_kwargs=True
    )
    data = model.data_preprocessor(batch(path), True)
    losses = model(**data, mode='loss')
    value = losses['distill.loss_cskd']
    assert value.isfinite() and value > 0
    (arguments,) = seen
    classes = zoo.read(path).num_classes
    logits = arguments['s_feature']
    stride = 16 if 'vit' in path.stem or 'deit' in path.stem else 32
    assert logits.shape == (2, classes, *(side // stride for side in SIZE))
    assert loss.num_classes == classes
    # The published fusion is for image labels.
    assert loss.global_term != 'fused'
    teacher = arguments['t_feature']
    if 'labels' in arguments:
        stride = 4 if 'deeplab' in path.stem else 8
        assert teacher.shape == (
            2,
            classes,
            *(side // stride for side in SIZE),
        )
        assert arguments['labels'].shape == (2, 1, *SIZE)
    else:
        # Anchors of a position, on the levels P3 to P7.
        anchors = 1 if 'gfl-r101' in path.stem else 9
        assert [tuple(level.shape) for level in teacher] == [
            (2, anchors * classes, *(math.ceil(side / 2**n) for side in SIZE))
            for n in range(3, 8)
        ]
    value.backward()
    for parameter in (*model.distiller.parameters(), first_patch(model)):
        assert parameter.grad is not None and parameter.grad.any()
    assert all(p.grad is None for p in model.teacher.parameters())


def first_patch(model):
    """Where the student cuts its image into patches."""
    return next(
        p
        for name, p in model.student.named_parameters()
        if 'projection' in name
    )


@pytest.mark.parametrize(
    'path', [p for p in CONFIGS if 'deeplabv3plus' in p.stem], ids=zoo.name
)
def test_logits_of_the_teacher_are_those_that_it_predicts_with(path):
    model = zoo.build(path)
    data = model.data_preprocessor(zoo.BATCHES['mmseg'](), True)
    inputs = data['inputs']
    model._run_teacher(inputs, data['data_samples'])
    recorder = model.distiller.teacher_recorders.get_recorder('logits')
    with torch.no_grad():
        expected = model.teacher(inputs, mode='tensor')
    assert torch.equal(recorder.get_record_data(), expected)
