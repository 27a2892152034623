# LAKD between the backbones of two segmentors, a ResNet-101 and a ResNet-18,
# stage by stage: four local modules, the last one with the heads. The weights
# are those of lakd_detection.py, with the mean of four modules. The cuts are
# 'input', which leaves the heads a way to every stage they use.
truncations = [
    dict(module=f'backbone.layer{i}', on='input') for i in (2, 3, 4)
]
# Stage, channels of the student and of the teacher.
stages = [(1, 64, 256), (2, 128, 512), (3, 256, 1024), (4, 512, 2048)]
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
            attention_weight=1 / 4,
            feature_weight=2.0,
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
