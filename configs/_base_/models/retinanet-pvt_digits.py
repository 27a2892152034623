# RetinaNet with a pyramid vision transformer (v2) for 96x96 images.
_base_ = './retinanet_digits.py'

model = dict(
    backbone=dict(
        _delete_=True,
        # PyramidVisionTransformerV2 is this one with four stages.
        type='PyramidVisionTransformer',
        paddings=[3, 1, 1],
        mlp_ratios=[2, 2, 2],
        drop_path_rate=0.0,
        use_abs_pos_embed=False,
        norm_after_stage=True,
        use_conv_ffn=True,
        **_base_.transformer,
    ),
    neck=dict(in_channels=_base_.transformer_channels),
)
