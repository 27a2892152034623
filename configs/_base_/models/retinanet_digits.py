# RetinaNet for 96x96 images: three stages, strides 4, 8 and 16.
base_channels = 8
neck_channels = 48

model = dict(
    _scope_='mmdet',
    type='RetinaNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[60.0, 60.0, 60.0],
        std=[60.0, 60.0, 60.0],
        bgr_to_rgb=False,
        pad_size_divisor=16,
    ),
    backbone=dict(
        type='ResNet',
        depth=18,
        base_channels=base_channels,
        stem_channels=base_channels,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(0, 1, 2),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    neck=dict(
        type='FPN',
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels],
        out_channels=neck_channels,
        num_outs=3,
    ),
    bbox_head=dict(
        type='RetinaHead',
        num_classes=10,
        in_channels=neck_channels,
        stacked_convs=1,
        feat_channels=neck_channels,
        anchor_generator=dict(
            type='AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=1,
            ratios=[1.0],
            strides=[4, 8, 16],
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(
            type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25
        ),
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
