# LAKD between the backbones of two digits models, which have three stages: three
# local modules, the last one with neck and head. The weights are those of
# lakd_detection.py with beta = 100, which did best of 0.1, 1, 10 and 100 on the
# digits: students this small learn most from the features.
truncations = [dict(module=f'backbone.layer{i}', on='input') for i in (2, 3)]
# Stage, channels of the student and of the detecting teacher.
stages = [(1, 8, 48), (2, 16, 96), (3, 32, 192)]
recorders = {
    f'stage{i}': dict(type='ModuleOutputs', source=f'backbone.layer{i}')
    for i, *_ in stages
}
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=recorders,
    teacher_recorders=recorders,
    distill_losses={
        f'loss_lakd_{i}': dict(
            type='LAKDLoss',
            student_channels=student,
            teacher_channels=teacher,
            attention_weight=1 / 3,
            feature_weight=200.0,
        )
        for i, student, teacher in stages
    },
    loss_forward_mappings={
        f'loss_lakd_{i}': dict(
            s_feature=dict(from_student=True, recorder=f'stage{i}'),
            t_feature=dict(from_student=False, recorder=f'stage{i}'),
        )
        for i, *_ in stages
    },
)
