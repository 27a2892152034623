# As segmentation_80k.py at the same learning rate, with 8 images a step:
# MMSegmentation's 4 GPUs of 2 crops, which are twice as large.
_base_ = './segmentation_80k.py'

auto_scale_lr = dict(base_batch_size=8)
