# TaT between the necks of two detectors, P3 to P7 with 256 channels. The
# authors have no detector, and on COCO this is untuned. On the digits patches
# alone, of small weight, were the best: configs/digits/README.md.
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
            patch_size=[(8, 8), (8, 8), (8, 8), (4, 4), (3, 3)],
            anchor_stride=None,
            loss_weight=0.05,
        ),
    ),
    loss_forward_mappings=dict(
        loss_tat=dict(
            s_feature=dict(from_student=True, recorder='neck'),
            t_feature=dict(from_student=False, recorder='neck'),
        ),
    ),
)
