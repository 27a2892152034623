# Semantic FPN for 96x96 images: three stages, strides 4, 8 and 16.
base_channels = 8
neck_channels = 48
norm_cfg = dict(type='BN', requires_grad=True)

model = dict(
    _scope_='mmseg',
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[60.0, 60.0, 60.0],
        std=[60.0, 60.0, 60.0],
        bgr_to_rgb=False,
        pad_val=0,
        seg_pad_val=255,
        size=(96, 96),
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
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',
    ),
    neck=dict(
        type='FPN',
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels],
        out_channels=neck_channels,
        num_outs=3,
    ),
    decode_head=dict(
        type='FPNHead',
        in_channels=[neck_channels] * 3,
        in_index=[0, 1, 2],
        feature_strides=[4, 8, 16],
        channels=neck_channels,
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        # Seven pixels of eight are background.
        loss_decode=dict(
            type='CrossEntropyLoss',
            use_sigmoid=False,
            class_weight=[0.2] + [1.0] * 10,
        ),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
