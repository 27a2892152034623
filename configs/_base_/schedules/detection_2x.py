# 24 epochs of 16 images a step: MMDetection's SGD and runtime.
_base_ = [
    'mmdet::_base_/schedules/schedule_2x.py',
    'mmdet::_base_/default_runtime.py',
    './clip_grad.py',
]

optim_wrapper = dict(clip_grad=_base_.clip_grad)
