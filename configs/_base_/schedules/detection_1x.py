# 12 epochs of 16 images a step: MMDetection's SGD and runtime. Gradients are
# clipped as in detection_2x.py.
_base_ = [
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
]

optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
