_base_ = [
    'mmseg::_base_/models/deeplabv3plus_r50-d8.py',
    './mobilenetv2-d8.py',
]

model = _base_.mobilenetv2
model.decode_head.update(c1_in_channels=24)
