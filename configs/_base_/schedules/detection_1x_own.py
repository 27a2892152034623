# Twelve epochs on one GPU, with 2 images a step. A small data set has few
# iterations an epoch, so that the warm-up is a short one.
_base_ = './detection_1x.py'

optim_wrapper = dict(optimizer=dict(lr=0.00125))
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=100)
auto_scale_lr = dict(enable=False, base_batch_size=2)
