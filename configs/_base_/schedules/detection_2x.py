# 24 epochs of 16 images a step: MMDetection's SGD and runtime. Gradients are
# clipped as in the published CanKD runs.
_base_ = [
    'mmdet::_base_/schedules/schedule_2x.py',
    'mmdet::_base_/default_runtime.py',
]

optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
