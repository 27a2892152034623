# RetinaNet with a pyramid vision transformer (v2) for 96x96 images: three
# stages, strides 4, 8 and 16.
_base_ = './retinanet_digits.py'

embed_dims = 16

model = dict(
    backbone=dict(
        _delete_=True,
        # PyramidVisionTransformerV2 is this one with four stages.
        type='PyramidVisionTransformer',
        embed_dims=embed_dims,
        num_stages=3,
        num_layers=[1, 1, 1],
        num_heads=[1, 2, 4],
        patch_sizes=[7, 3, 3],
        strides=[4, 2, 2],
        paddings=[3, 1, 1],
        sr_ratios=[4, 2, 1],
        mlp_ratios=[2, 2, 2],
        out_indices=(0, 1, 2),
        drop_path_rate=0.0,
        use_abs_pos_embed=False,
        norm_after_stage=True,
        use_conv_ffn=True,
    ),
    neck=dict(in_channels=[embed_dims, 2 * embed_dims, 4 * embed_dims]),
)
