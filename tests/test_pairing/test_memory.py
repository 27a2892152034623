import pytest

from cankd_mm.benchmarks.measuring import in_own_process
from cankd_mm.benchmarks.memory import peak_of_a_step
from cankd_mm.pairing.memory import (
    describe,
    forecast_memory,
    training_size,
)
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.model_config import build_model
from tests.commands import ROOT

CONFIGS = ROOT / 'configs'
DIGITS = CONFIGS / 'digits/cankd_retinanet.py'
COCO = CONFIGS / 'cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'
FASTER = CONFIGS / 'cankd/cankd_faster-rcnn-r101_faster-rcnn-r50_2x_coco.py'
FLOAT = 4


def read(path, options=None):
    return config_from_file(path, 'config', options)


def parameters(path):
    model = build_model(dict(read(path).model), 'model')
    return [p.numel() for p in model.parameters()]


def test_fixed_bytes_are_weights_gradients_and_states():
    cfg = read(DIGITS)
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=0.1)
    plain = forecast_memory(cfg, (64, 64)).fixed
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=0.1, momentum=0.9)
    momentum = forecast_memory(cfg, (64, 64)).fixed
    cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=0.1)
    adam = forecast_memory(cfg, (64, 64)).fixed
    trained = momentum - plain
    assert adam - plain == 2 * trained
    student = sum(parameters(CONFIGS / 'digits/baseline_retinanet.py'))
    teacher = sum(parameters(CONFIGS / 'digits/teacher_retinanet.py'))
    # Beside them there are the statistics of norms, and the loss's weights.
    assert trained >= FLOAT * student
    assert plain >= FLOAT * (2 * student + teacher)
    assert plain < FLOAT * (2 * student + teacher) * 1.1


def test_four_times_the_pixels_need_four_times_the_memory():
    small, large = (
        forecast_memory(read(DIGITS), (side, side)) for side in (128, 256)
    )
    assert small.fixed == large.fixed
    for part in ('student', 'teacher', 'peak'):
        ratio = getattr(large, part) / getattr(small, part)
        assert 3.7 < ratio < 4.1, part


def test_frozen_stages_keep_nothing():
    cfg = read(COCO)
    kept = []
    for stages in (1, -1):
        cfg.model.architecture.backbone.frozen_stages = stages
        kept.append(forecast_memory(cfg, (128, 128)).student)
    assert kept[0] < 0.8 * kept[1]


def test_the_peak_is_less_than_the_sum_of_all_and_more_than_the_student():
    found = forecast_memory(read(COCO), (256, 256))
    assert found.student < found.peak
    assert found.total(2) == found.fixed + 2 * found.peak
    assert 'for 2 images of 256x256' in describe(found, 2)


def test_what_follows_the_proposals_is_said_to_be_left_out():
    found = forecast_memory(read(FASTER), (128, 128))
    assert found.failure
    assert 'without the parts that need values' in describe(found, 2)


@pytest.mark.parametrize(
    'path, size',
    [
        (COCO, (800, 1344)),
        # Its pipeline has a scale of 400 by 4200, too.
        (CONFIGS / 'cankd/cankd_dino-r101_dino-r50_1x_coco.py', (800, 1344)),
        (
            CONFIGS / 'cankd/cankd_pspnet-r101_pspnet-r18_40k_voc12aug.py',
            (512, 512),
        ),
    ],
)
def test_the_size_is_that_of_the_recipe(path, size):
    cfg = read(path)
    assert training_size(cfg, cfg.model.architecture) == size


def test_a_record_of_labels_is_not_needed():
    found = forecast_memory(read(CONFIGS / 'digits/cskd_segformer.py'))
    assert found.losses > 0


@pytest.mark.parametrize(
    'path, reason',
    [
        (CONFIGS / 'digits/baseline_retinanet.py', 'expected FrozenTeacher'),
        (
            'mmrazor::distill/mmdet/pkd/'
            'pkd_fpn_retina_x101_retina_r50_2x_coco.py',
            'expected FrozenTeacher',
        ),
    ],
)
def test_other_configs_are_refused(path, reason):
    with pytest.raises(ValueError, match=reason):
        forecast_memory(read(path))


def test_a_pair_that_does_not_fit_has_its_reason():
    cfg = read(DIGITS, {'model.distiller.student_recorders.neck.source': 'no'})
    with pytest.raises(ValueError, match="source='no' is not in the student"):
        forecast_memory(cfg)


@pytest.mark.slow
def test_a_real_step_needs_what_was_forecast():
    size, images = (320, 320), 2
    measured = in_own_process(peak_of_a_step, str(COCO), size, images, 1)
    forecast = forecast_memory(read(COCO), size).total(images)
    assert forecast == pytest.approx(measured, rel=0.25)
