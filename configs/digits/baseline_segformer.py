_base_ = [
    '../_base_/models/segformer_digits.py',
    '../_base_/datasets/digits_segmentation.py',
    '../_base_/schedules/digits_epochs_long.py',
    '../_base_/digits_runtime.py',
]

# Twice the epochs and a higher learning rate than the convolutional students:
# a transformer that starts from nothing needs both.
optim_wrapper = dict(optimizer=dict(lr=5e-3))
