_base_ = ['mmseg::_base_/models/pspnet_r50-d8.py', './r18-d8.py']

model = _base_.r18
