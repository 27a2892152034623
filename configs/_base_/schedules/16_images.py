# The images a step that the learning rate is meant for, on all GPUs together.
auto_scale_lr = dict(enable=False, base_batch_size=16)
