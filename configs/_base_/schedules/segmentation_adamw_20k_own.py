# 20k iterations of 4 images, on one GPU, with AdamW as for 40k.
_base_ = './segmentation_adamw_40k.py'

max_iters = 20000
train_cfg = dict(max_iters=max_iters, val_interval=2000)
default_hooks = dict(checkpoint=dict(interval=2000))
# The learning rate is a quarter, as the images a step are.
optim_wrapper = dict(
    optimizer=dict(lr=1.5e-5),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=500)
param_scheduler[1].update(begin=500, end=max_iters)
auto_scale_lr = dict(base_batch_size=4)
