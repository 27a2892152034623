# For `default_hooks` of a distillation.
distillation_hooks = dict(
    student_checkpoint=dict(type='StudentCheckpointHook'),
    # For LAKD with local_backward=True; does nothing without.
    local_backward=dict(type='LocalBackwardHook'),
)
