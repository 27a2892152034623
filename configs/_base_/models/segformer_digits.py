# SegFormer for 96x96 images: three stages, strides 4, 8 and 16.
embed_dims = 16
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
        type='MixVisionTransformer',
        embed_dims=embed_dims,
        num_stages=3,
        num_layers=[1, 1, 1],
        num_heads=[1, 2, 4],
        patch_sizes=[7, 3, 3],
        strides=[4, 2, 2],
        sr_ratios=[4, 2, 1],
        out_indices=(0, 1, 2),
        mlp_ratio=4,
    ),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[embed_dims, 2 * embed_dims, 4 * embed_dims],
        in_index=[0, 1, 2],
        channels=32,
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
