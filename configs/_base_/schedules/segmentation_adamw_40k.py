# 40k iterations of 16 images with AdamW, as MMSegmentation trains SegFormer,
# Swin and ViT: warm-up, linear decay, none of it for norms and positions.
_base_ = './segmentation_40k.py'

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='AdamW',
        lr=6e-5,
        betas=(0.9, 0.999),
        weight_decay=0.01,
    ),
    paramwise_cfg=dict(
        custom_keys={
            'norm': dict(decay_mult=0.0),
            'cls_token': dict(decay_mult=0.0),
            'pos_block': dict(decay_mult=0.0),
            'pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
        }
    ),
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500
    ),
    dict(
        type='PolyLR',
        eta_min=0.0,
        power=1.0,
        begin=1500,
        end=_base_.train_cfg.max_iters,
        by_epoch=False,
    ),
]
