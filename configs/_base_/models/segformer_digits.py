# SegFormer for 96x96 images.
_base_ = './segmentor_digits.py'

model = dict(
    backbone=dict(
        type='MixVisionTransformer', mlp_ratio=4, **_base_.transformer
    ),
    decode_head=dict(
        type='SegformerHead',
        in_channels=_base_.transformer_channels,
        channels=32,
    ),
)
