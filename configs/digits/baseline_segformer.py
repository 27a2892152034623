_base_ = [
    '../_base_/models/segformer_digits.py',
    '../_base_/datasets/digits_segmentation.py',
    '../_base_/schedules/digits_epochs.py',
    '../_base_/digits_runtime.py',
]

# Twice the epochs and a higher learning rate than the convolutional students:
# a transformer that starts from nothing needs both.
max_epochs = 8
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(
        type='CosineAnnealingLR',
        by_epoch=True,
        T_max=max_epochs,
        eta_min=0,
        convert_to_iter_based=True,
    ),
]
