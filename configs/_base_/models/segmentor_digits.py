# A segmentor for 96x96 images that lacks its backbone and the kind of its head.
_base_ = './digits.py'

model = dict(
    _scope_='mmseg',
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        pad_val=0,
        seg_pad_val=255,
        size=(96, 96),
        **_base_.normalisation,
    ),
    decode_head=dict(
        in_index=[0, 1, 2],
        dropout_ratio=0.1,
        num_classes=11,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        # Seven pixels of eight are background.
        loss_decode=dict(
            type='CrossEntropyLoss',
            use_sigmoid=False,
            class_weight=[0.2] + [1.0] * 10,
        ),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
