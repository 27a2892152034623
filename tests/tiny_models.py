"""Configs of real detectors and segmentors, small enough for a test.

Every function returns a fresh config, so that a test may change it.
"""

from mmengine.config import ConfigDict

DETECTION_PREPROCESSOR = dict(
    type='mmdet.DetDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_size_divisor=32,
)
SEGMENTATION_PREPROCESSOR = dict(
    type='mmseg.SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(64, 64),
)


def resnet(base_channels: int = 8, **kwargs) -> dict:
    """A four-stage ResNet-18 of mmdet."""
    backbone = dict(
        type='ResNet',
        depth=18,
        base_channels=base_channels,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    )
    backbone.update(kwargs)
    return backbone


def fpn(base_channels: int, channels: int, **kwargs) -> dict:
    """An FPN behind :func:`resnet`."""
    neck = dict(
        type='FPN',
        in_channels=[base_channels * 2**stage for stage in range(4)],
        out_channels=channels,
        num_outs=5,
    )
    neck.update(kwargs)
    return neck


def retinanet(
    base_channels: int = 8, channels: int = 16, num_classes: int = 3
) -> ConfigDict:
    """RetinaNet on five levels P3 to P7."""
    return ConfigDict(
        _scope_='mmdet',
        type='RetinaNet',
        data_preprocessor=DETECTION_PREPROCESSOR.copy(),
        backbone=resnet(base_channels),
        neck=fpn(
            base_channels,
            channels,
            start_level=1,
            add_extra_convs='on_input',
        ),
        bbox_head=dict(
            type='RetinaHead',
            num_classes=num_classes,
            in_channels=channels,
            stacked_convs=1,
            feat_channels=channels,
            anchor_generator=dict(
                type='AnchorGenerator',
                octave_base_scale=4,
                scales_per_octave=1,
                ratios=[1.0],
                strides=[8, 16, 32, 64, 128],
            ),
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='FocalLoss', use_sigmoid=True),
            loss_bbox=dict(type='L1Loss'),
        ),
        train_cfg=dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.4,
                min_pos_iou=0,
                ignore_iof_thr=-1,
            ),
            sampler=dict(type='PseudoSampler'),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        test_cfg=dict(
            nms_pre=100,
            min_bbox_size=0,
            score_thr=0.05,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=20,
        ),
    )


def faster_rcnn(
    base_channels: int = 8, channels: int = 16, num_classes: int = 3
) -> ConfigDict:
    """Faster R-CNN on five levels P2 to P6."""
    proposals = dict(
        nms_pre=50,
        max_per_img=20,
        nms=dict(type='nms', iou_threshold=0.7),
        min_bbox_size=0,
    )
    return ConfigDict(
        _scope_='mmdet',
        type='FasterRCNN',
        data_preprocessor=DETECTION_PREPROCESSOR.copy(),
        backbone=resnet(base_channels),
        neck=fpn(base_channels, channels),
        rpn_head=dict(
            type='RPNHead',
            in_channels=channels,
            feat_channels=channels,
            anchor_generator=dict(
                type='AnchorGenerator',
                scales=[8],
                ratios=[0.5, 1.0, 2.0],
                strides=[4, 8, 16, 32, 64],
            ),
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
            loss_bbox=dict(type='L1Loss'),
        ),
        roi_head=dict(
            type='StandardRoIHead',
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(
                    type='RoIAlign', output_size=7, sampling_ratio=0
                ),
                out_channels=channels,
                featmap_strides=[4, 8, 16, 32],
            ),
            bbox_head=dict(
                type='Shared2FCBBoxHead',
                in_channels=channels,
                fc_out_channels=32,
                roi_feat_size=7,
                num_classes=num_classes,
                bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
                reg_class_agnostic=False,
                loss_cls=dict(type='CrossEntropyLoss'),
                loss_bbox=dict(type='L1Loss'),
            ),
        ),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=0.7,
                    neg_iou_thr=0.3,
                    min_pos_iou=0.3,
                ),
                sampler=dict(
                    type='RandomSampler',
                    num=32,
                    pos_fraction=0.5,
                    add_gt_as_proposals=False,
                ),
                allowed_border=-1,
                pos_weight=-1,
            ),
            rpn_proposal=proposals,
            rcnn=dict(
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=0.5,
                    neg_iou_thr=0.5,
                    min_pos_iou=0.5,
                ),
                sampler=dict(type='RandomSampler', num=32, pos_fraction=0.25),
                pos_weight=-1,
            ),
        ),
        test_cfg=dict(
            rpn=proposals,
            rcnn=dict(
                score_thr=0.05,
                nms=dict(type='nms', iou_threshold=0.5),
                max_per_img=20,
            ),
        ),
    )


def fcn(
    base_channels: int = 8, channels: int = 16, num_classes: int = 4
) -> ConfigDict:
    """FCN on a dilated ResNet-18, with dropout in the head."""
    return ConfigDict(
        _scope_='mmseg',
        type='EncoderDecoder',
        data_preprocessor=SEGMENTATION_PREPROCESSOR.copy(),
        backbone=dict(
            type='ResNetV1c',
            depth=18,
            base_channels=base_channels,
            stem_channels=base_channels,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            dilations=(1, 1, 2, 4),
            strides=(1, 2, 1, 1),
            norm_cfg=dict(type='BN', requires_grad=True),
            norm_eval=False,
            contract_dilation=True,
        ),
        decode_head=dict(
            type='FCNHead',
            in_channels=8 * base_channels,
            in_index=3,
            channels=channels,
            num_convs=1,
            concat_input=False,
            dropout_ratio=0.1,
            num_classes=num_classes,
            norm_cfg=dict(type='BN', requires_grad=True),
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def distillation(
    student: dict,
    teacher: dict,
    source: str = 'neck',
    loss: dict | None = None,
    **kwargs,
) -> ConfigDict:
    """FrozenTeacherDistill with one loss on one module of either model."""
    recorders = dict(features=dict(type='ModuleOutputs', source=source))
    config = ConfigDict(
        type='mmrazor.FrozenTeacherDistill',
        architecture=student,
        teacher=teacher,
        allow_random_teacher='teacher_ckpt' not in kwargs,
        dry_run_size=(64, 64),
        distiller=dict(
            type='mmrazor.ConfigurableDistiller',
            student_recorders=recorders,
            teacher_recorders=recorders,
            distill_losses=dict(
                loss_distill=loss
                or dict(type='mmrazor.CanKDLoss', in_channels=16, num_levels=2)
            ),
            loss_forward_mappings=dict(
                loss_distill=dict(
                    s_feature=dict(from_student=True, recorder='features'),
                    t_feature=dict(from_student=False, recorder='features'),
                )
            ),
        ),
    )
    config.update(kwargs)
    return config


def segmentation_loss(base_channels: int = 8) -> dict:
    """CanKD between the last stages of two :func:`fcn`."""
    return dict(type='mmrazor.CanKDLoss', in_channels=8 * base_channels)


def retinanet_pair(**kwargs) -> ConfigDict:
    """CanKD from a wider :func:`retinanet` to a narrow one."""
    return distillation(retinanet(), retinanet(16), **kwargs)


def fcn_pair(**kwargs) -> ConfigDict:
    """CanKD between two :func:`fcn`, whose dropout draws random numbers."""
    return distillation(
        fcn(),
        fcn(),
        source='backbone.layer4',
        loss=segmentation_loss(),
        **kwargs,
    )


def detection_batch(num_classes: int = 3, size: int = 64) -> dict:
    """Two images with boxes, as a data loader gives them."""
    from mmdet.testing import demo_mm_inputs

    batch = demo_mm_inputs(
        2,
        image_shapes=[(3, size, size)] * 2,
        num_items=[3, 3],
        num_classes=num_classes,
        use_box_type=True,
    )
    for sample in batch['data_samples']:
        # A tuple, as MMDetection's pipelines give; torch.compile cannot
        # trace the demo's array.
        sample.set_metainfo(dict(scale_factor=(1.1, 1.2)))
    return batch


def segmentation_batch(num_classes: int = 4, size: int = 64) -> dict:
    """Two images with label maps, as a data loader gives them."""
    import torch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    batch = dict(inputs=[], data_samples=[])
    for _ in range(2):
        batch['inputs'].append(
            torch.randint(
                0, 256, (3, size, size), dtype=torch.uint8, generator=generator
            )
        )
        labels = torch.randint(
            0, num_classes, (1, size, size), generator=generator
        )
        sample = SegDataSample(
            metainfo=dict(img_shape=(size, size), ori_shape=(size, size))
        )
        sample.gt_sem_seg = PixelData(data=labels)
        batch['data_samples'].append(sample)
    return batch


def student_state(model) -> dict:
    """The weights of a distilled student without its distiller's."""
    with model.plain():
        return model.state_dict()
