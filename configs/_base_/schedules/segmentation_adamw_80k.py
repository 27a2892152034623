# As segmentation_adamw_40k.py, twice as long.
_base_ = './segmentation_adamw_40k.py'

train_cfg = dict(max_iters=80000, val_interval=8000)
default_hooks = dict(checkpoint=dict(interval=8000))
param_scheduler = _base_.param_scheduler
param_scheduler[-1].end = train_cfg['max_iters']
