# 80k iterations of 16 images: MMSegmentation's SGD, poly decay and runtime.
_base_ = [
    'mmseg::_base_/schedules/schedule_80k.py',
    'mmseg::_base_/default_runtime.py',
    './16_images.py',
]
