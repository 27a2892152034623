# ViT-Ti with the weights of DeiT-Ti, half as wide as upernet_deit-s.py.
_base_ = './upernet_deit-s.py'

embed_dims = 192

model = dict(
    pretrained='pretrain/deit_tiny_patch16_224-a1311bcf.pth',
    backbone=dict(num_heads=3, embed_dims=embed_dims),
    neck=dict(in_channels=[embed_dims] * 4, out_channels=embed_dims),
    decode_head=dict(in_channels=[embed_dims] * 4),
    auxiliary_head=dict(in_channels=embed_dims),
)
