# CanKD between the necks of two detectors: the first four levels, 256 channels.
# loss_weight is the paper's mu; the authors' code writes 10 for mu = 5.
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
        loss_cankd=dict(
            type='CanKDLoss',
            in_channels=256,
            num_levels=4,
            loss_weight=5.0,
        ),
    ),
    loss_forward_mappings=dict(
        loss_cankd=dict(
            s_feature=dict(from_student=True, recorder='neck'),
            t_feature=dict(from_student=False, recorder='neck'),
        ),
    ),
)
