# Registers this package's components; every config needs it once.
custom_imports = dict(imports=['cankd_mm'], allow_failed_imports=False)

# For `default_hooks` of a distillation.
distillation_hooks = dict(
    student_checkpoint=dict(type='StudentCheckpointHook'),
    # For LAKD with local_backward=True; does nothing without.
    local_backward=dict(type='LocalBackwardHook'),
)
