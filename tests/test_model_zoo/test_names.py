"""What the names of configs say, and what they may not."""

import pytest

from cankd_mm.model_zoo.names import DETECTION, SEGMENTATION, parse_name


def test_distillation_is_read_from_the_name():
    name = parse_name('cankd_faster-rcnn-r101_faster-rcnn-r50_2x_coco')
    assert name.method == 'CanKD' and name.variant is None
    assert str(name.teacher) == 'Faster R-CNN R101'
    assert str(name.student) == 'Faster R-CNN R50'
    assert name.schedule == '2x'
    assert (name.data_set.title, name.data_set.task) == ('COCO', DETECTION)


def test_model_that_trains_alone_has_no_teacher():
    name = parse_name('deeplabv3plus-mobilenetv2_80k_coco-stuff164k')
    assert name.method is name.teacher is None
    assert str(name.student) == 'DeepLabV3+ MobileNetV2'
    assert name.schedule == '80k'
    assert name.data_set.title == 'COCO-Stuff 164k'
    assert name.data_set.task == SEGMENTATION


@pytest.mark.parametrize(
    'name, pair',
    [
        ('tat_retinanet-r101_retinanet-r50_2x_coco', 'RetinaNet R101 → R50'),
        (
            'cankd-inherit_fcos-x101_retinanet-r50_1x_coco',
            'FCOS X101 → RetinaNet R50, inheriting',
        ),
        (
            'cankd_reppoints-x101-dcn_reppoints-r50_2x_coco',
            'RepPoints X101-DCN → R50',
        ),
        (
            'cankd_mask-rcnn-swin-s_retinanet-r50_2x_coco',
            'Mask R-CNN Swin-S → RetinaNet R50',
        ),
        (
            'cskd_pspnet-r101_upernet-vit-ti_40k_voc12aug',
            'PSPNet R101 → UPerNet ViT-Ti',
        ),
        (
            'cankd-inherit_dino-swin-l_dino-swin-b_1x_coco',
            'DINO Swin-L → Swin-B, inheriting',
        ),
        (
            'cankd-mu5_pspnet-r101_deeplabv3-r18_80k_cityscapes',
            'PSPNet R101 → DeepLabV3 R18, mu = 5',
        ),
    ],
)
def test_pair_says_once_what_teacher_and_student_share(name, pair):
    assert parse_name(name).pair == pair


def test_epochs_are_spelt_out():
    name = parse_name('cankd_rtmdet-m_rtmdet-s_300e_coco')
    assert name.schedule == '300 epochs'


@pytest.mark.parametrize(
    'name, message',
    [
        ('kd_retinanet-r101_retinanet-r50_1x_coco', "method 'kd'"),
        ('tat_yolo-r101_retinanet-r50_1x_coco', "model 'yolo-r101'"),
        ('tat_retinanet-r101_retinanet-r51_1x_coco', "model 'retinanet-r51'"),
        ('tat_retinanet_retinanet-r50_1x_coco', "model 'retinanet'"),
        ('tat_retinanet-r101_retinanet-r50_long_coco', "schedule 'long'"),
        ('tat_retinanet-r101_retinanet-r50_1x_lvis', "data set 'lvis'"),
        ('tat_retinanet-r101_1x_coco', r'found 4 part\(s\)'),
    ],
)
def test_part_that_is_not_known_is_named(name, message):
    with pytest.raises(ValueError, match=f'^{name}: .*{message}'):
        parse_name(name)
