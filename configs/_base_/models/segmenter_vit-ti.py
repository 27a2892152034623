# As MMSegmentation's ADE20K config of this model, whose learning rate is for 8
# images a step; here are 16.
_base_ = 'mmseg::_base_/models/segmenter_vit-b16_mask.py'

embed_dims = 192
num_heads = 3

model = dict(
    pretrained='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segmenter/vit_tiny_p16_384_20220308-cce8c795.pth',
    backbone=dict(embed_dims=embed_dims, num_heads=num_heads),
    decode_head=dict(
        in_channels=embed_dims,
        channels=embed_dims,
        embed_dims=embed_dims,
        num_heads=num_heads,
    ),
)
segmenter_optimizer = dict(lr=0.002, weight_decay=0.0)
