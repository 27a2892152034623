# As MMDetection's COCO config of this model.
_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='PyramidVisionTransformer',
        num_layers=[2, 2, 2, 2],
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/whai362/PVT/releases/download/v2/pvt_tiny.pth',
        ),
    ),
    neck=dict(in_channels=[64, 128, 320, 512]),
)
optimizer = dict(type='AdamW', lr=1e-4, weight_decay=1e-4)
