# TaT between the necks of two detectors, P3 to P7 with 256 channels. Patches
# on the two fine levels, where a matrix over all positions is too large,
# anchors on the coarse ones. The authors have no detector: this is untuned.
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        neck=dict(type='ModuleOutputs', source='neck'),
    ),
    teacher_recorders=dict(
        neck=dict(type='ModuleOutputs', source='neck'),
    ),
    distill_losses=dict(
        loss_tat=dict(
            type='TaTLoss',
            student_channels=256,
            teacher_channels=256,
            num_levels=5,
            patch_size=[(8, 8), (8, 8), None, None, None],
            anchor_stride=[None, None, (2, 2), (1, 1), (1, 1)],
        ),
    ),
    loss_forward_mappings=dict(
        loss_tat=dict(
            s_feature=dict(from_student=True, recorder='neck'),
            t_feature=dict(from_student=False, recorder='neck'),
        ),
    ),
)

custom_hooks = [dict(type='StudentCheckpointHook')]
