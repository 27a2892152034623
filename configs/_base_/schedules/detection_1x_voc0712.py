# Four epochs of a data set that repeats its images three times, 16 images a
# step: MMDetection's schedule for VOC 2007 and 2012.
_base_ = ['mmdet::_base_/default_runtime.py', './clip_grad.py']

max_epochs = 4
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
    clip_grad=_base_.clip_grad,
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[3],
        gamma=0.1,
    )
]
auto_scale_lr = dict(enable=False, base_batch_size=16)
