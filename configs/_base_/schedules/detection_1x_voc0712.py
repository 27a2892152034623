# Four epochs of a data set that repeats its images three times, without a
# warm-up: MMDetection's schedule for VOC 2007 and 2012.
_base_ = './detection_1x.py'

max_epochs = 4
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = _base_.param_scheduler[1:]
param_scheduler[0].update(end=max_epochs, milestones=[3])
