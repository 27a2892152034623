# LAKD between two Mix Vision Transformers (SegFormer-B2 to B0), stage by stage:
# four local modules, the last one with the head. A stage is a ModuleList, which
# is never called: cut is the input of its patch embedding, and recorded is the
# backbone's tuple of maps. The weights are those of lakd_segmentation.py.
truncations = [
    dict(module=f'backbone.layers.{i}.0', on='input') for i in (1, 2, 3)
]
# Stage, channels of the student and of the teacher.
stages = [(1, 32, 64), (2, 64, 128), (3, 160, 320), (4, 256, 512)]
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        backbone=dict(type='ModuleOutputs', source='backbone'),
    ),
    teacher_recorders=dict(
        backbone=dict(type='ModuleOutputs', source='backbone'),
    ),
    distill_losses={
        f'loss_lakd_{i}': dict(
            type='LAKDLoss',
            student_channels=student,
            teacher_channels=teacher,
            attention_weight=1 / 4,
            feature_weight=2.0,
        )
        for i, student, teacher in stages
    },
    loss_forward_mappings={
        f'loss_lakd_{i}': {
            side: dict(
                from_student=side == 's_feature',
                recorder='backbone',
                data_idx=i - 1,
            )
            for side in ('s_feature', 't_feature')
        }
        for i, *_ in stages
    },
)
