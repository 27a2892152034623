"""Models of the installed libraries that the tests of pairing look at."""

from functools import cache

from cankd_mm.pairing.features import (
    ModelFeatures,
    student_features,
    teacher_features,
)
from cankd_mm.pairing.pair import look_at
from cankd_mm.pairing.read_models import ReadModel, read_models
from cankd_mm.pairing.two_models import TwoModels

ATSS = 'mmdet::atss/atss_r50_fpn_1x_coco.py'
BISENET = (
    'mmseg::bisenetv1/bisenetv1_r18-d32_4xb4-160k_coco-stuff164k-512x512.py'
)
CENTERNET = 'mmdet::centernet/centernet_r18_8xb16-crop512-140e_coco.py'
CORNERNET = 'mmdet::cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py'
DANET = 'mmseg::danet/danet_r50-d8_4xb4-80k_ade20k-512x512.py'
FASTSCNN = 'mmseg::fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py'
DDRNET = 'mmseg::ddrnet/ddrnet_23_in1k-pre_2xb6-120k_cityscapes-1024x1024.py'
DEEPLABV3PLUS = (
    'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py'
)
DINO = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'
TOOD = 'mmdet::tood/tood_r50_fpn_1x_coco.py'
FASTER_RCNN = 'mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_coco.py'
HRNET = 'mmseg::hrnet/fcn_hr18_4xb4-80k_ade20k-512x512.py'
ICNET = 'mmseg::icnet/icnet_r18-d8_4xb2-80k_cityscapes-832x832.py'
MOBILENETV2 = (
    'mmseg::mobilenet_v2/mobilenet-v2-d8_fcn_4xb4-160k_ade20k-512x512.py'
)
OCRNET = 'mmseg::ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py'
PIDNET = 'mmseg::pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py'
RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
RETINANET_R101 = 'mmdet::retinanet/retinanet_r101_fpn_2x_coco.py'
SEGFORMER = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
SEGMENTER = 'mmseg::segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512.py'
SSD = 'mmdet::ssd/ssd300_coco.py'
SWIN = 'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py'
UNET = 'mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py'
VIT = 'mmseg::vit/vit_deit-b16_upernet_8xb2-80k_ade20k-512x512.py'
YOLOV3_D53 = 'mmdet::yolo/yolov3_d53_8xb8-320-273e_coco.py'
YOLOV3_MOBILENETV2 = 'mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py'
YOLOX_S = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
YOLOX_TINY = 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'


@cache
def model(path: str) -> ReadModel:
    return read_models(path)[0]


@cache
def student(path: str) -> ModelFeatures:
    found = model(path)
    return student_features(found.config, found.scope, found.size)


@cache
def teacher(path: str) -> ModelFeatures:
    found = model(path)
    return teacher_features(found.config, found.scope, found.size)


@cache
def two_models(
    student_path: str, teacher_path: str, at: str | None = None
) -> TwoModels:
    return look_at(model(student_path), model(teacher_path), at=at)
