_base_ = [
    'mmdet::dino/dino-5scale_swin-l_8xb2-12e_coco.py',
    '../_base_/imports.py',
]

# MMDetection has Swin-L only. The student of the published CanKD config is a
# Swin-B with the same pre-training and stronger stochastic depth.
channels = 128
model = dict(
    backbone=dict(
        embed_dims=channels,
        num_heads=[4, 8, 16, 32],
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_base_patch4_window12_384_22k.pth'
        ),
    ),
    neck=dict(in_channels=[channels * 2**i for i in range(4)]),
)
