# Gradients of detectors are clipped as in the published CanKD runs.
clip_grad = dict(max_norm=35, norm_type=2)
