# What the models for the 96x96 digits are made of: three stages, strides 4, 8
# and 16.
normalisation = dict(
    mean=[60.0, 60.0, 60.0], std=[60.0, 60.0, 60.0], bgr_to_rgb=False
)

base_channels = 8
resnet = dict(
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
)
neck_channels = 48
fpn = dict(
    type='FPN',
    in_channels=[base_channels, 2 * base_channels, 4 * base_channels],
    out_channels=neck_channels,
    num_outs=3,
)

# Of a pyramid or mix vision transformer.
embed_dims = 16
transformer = dict(
    embed_dims=embed_dims,
    num_stages=3,
    num_layers=[1, 1, 1],
    num_heads=[1, 2, 4],
    patch_sizes=[7, 3, 3],
    strides=[4, 2, 2],
    sr_ratios=[4, 2, 1],
    out_indices=(0, 1, 2),
)
transformer_channels = [embed_dims, 2 * embed_dims, 4 * embed_dims]
