# DeiT-S as in MMSegmentation's ADE20K config. Its weights are the authors',
# converted; see configs/baselines/README.md.
_base_ = 'mmseg::_base_/models/upernet_vit-b16_ln_mln.py'

embed_dims = 384

model = dict(
    pretrained='pretrain/deit_small_patch16_224-cd65a155.pth',
    backbone=dict(num_heads=6, embed_dims=embed_dims, drop_path_rate=0.1),
    neck=dict(in_channels=[embed_dims] * 4, out_channels=embed_dims),
    decode_head=dict(in_channels=[embed_dims] * 4),
    auxiliary_head=dict(in_channels=embed_dims),
)
