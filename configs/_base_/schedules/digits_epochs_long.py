# As digits_epochs.py, twice as long.
_base_ = './digits_epochs.py'

max_epochs = 8
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max = max_epochs
