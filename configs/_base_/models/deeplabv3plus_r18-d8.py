_base_ = ['mmseg::_base_/models/deeplabv3plus_r50-d8.py', './r18-d8.py']

model = _base_.r18
model.decode_head.update(c1_in_channels=64, c1_channels=12)
