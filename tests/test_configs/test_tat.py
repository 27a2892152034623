"""What TaT's configs promise beyond what every config does."""

import pytest
import torch

from tests.test_configs import zoo

CONFIGS = zoo.configs('tat')
DECODERS = [path for path in CONFIGS if '0k_' in path.stem]
DETECTORS = [path for path in CONFIGS if path not in DECODERS]
# Of the authors' runs: alpha, beta, gamma and batch; n = m, heads and anchor
# points of a 129x129 map.
PUBLISHED = {
    ('r18', 'voc12aug'): ((0.1, 1, 0.4, 16), (16, 64, 32)),
    ('mobilenetv2', 'voc12aug'): ((0.1, 1, 0.5, 12), (32, 1024, 64)),
    ('r18', 'coco-stuff10k'): ((0.6, 1, 1, 16), (32, 512, 32)),
    ('mobilenetv2', 'coco-stuff10k'): ((0.4, 1, 1, 12), (16, 64, 32)),
}


def settings(path):
    return zoo.read(path).model.distiller.distill_losses.loss_tat


@pytest.mark.parametrize('path', DECODERS, ids=zoo.name)
def test_weights_and_grids_are_those_of_the_authors_runs(path):
    _, _, student, _, data = path.stem.split('_')
    # Nothing is published for 164k, nor for SegFormer: B0 has R18's settings.
    backbone = student.split('-')[1].replace('b0', 'r18')
    run = backbone, data.replace('164k', '10k')
    (alpha, beta, gamma, batch), (n, heads, anchors) = PUBLISHED[run]
    loss = settings(path)
    assert loss.patch_weight == pytest.approx(alpha * beta * batch)
    assert loss.anchor_weight == pytest.approx(alpha * gamma * batch)
    assert loss.patch_size == (129 // n, 129 // n)
    assert loss.patches_per_group == n * n / heads
    assert loss.anchor_stride == (129 // anchors, 129 // anchors)


@pytest.mark.parametrize(
    'path', [path for path in DECODERS if 'voc' in path.stem], ids=zoo.name
)
def test_decoder_is_tapped_before_its_last_activation(path):
    model = zoo.build(path).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad(), model._student_records.of(model):
        student_logits = model(image)
    model._run_teacher(image, None)
    for records, network, logits in (
        (model._student_records, model, student_logits),
        (
            model._teacher_forward.records,
            model.teacher,
            model.teacher(model._teacher.input(image)),
        ),
    ):
        tapped = records.recorders.get_recorder('decoder').get_record_data()
        assert tapped.min() < 0  # no activation has overwritten it
        head = network.decode_head
        torch.testing.assert_close(head.cls_seg(tapped.relu()), logits)
        assert tapped.shape[2:] == (16, 16)  # stride 4


@pytest.mark.parametrize('path', DETECTORS, ids=zoo.name)
def test_every_pyramid_level_has_patches(path):
    loss = settings(path)
    assert loss.num_levels == zoo.student_config(path).neck.num_outs
    assert len(loss.patch_size) == loss.num_levels
    assert None not in loss.patch_size
