# 20k iterations on one GPU, with 4 images a step: MMSegmentation's SGD, poly
# decay and runtime.
_base_ = [
    'mmseg::_base_/schedules/schedule_20k.py',
    'mmseg::_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.0025))
auto_scale_lr = dict(enable=False, base_batch_size=4)
