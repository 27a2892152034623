# LAKD between the backbones of two digits models, which have three stages: three
# local modules, the last one with neck and head. The weights are those of
# lakd_detection.py with beta = 100, which did best of 0.1, 1, 10 and 100 on the
# digits: students this small learn most from the features.
truncations = [
    dict(module='backbone.layer2', on='input'),
    dict(module='backbone.layer3', on='input'),
]
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
    ),
    teacher_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
    ),
    distill_losses=dict(
        loss_lakd_1=dict(
            type='LAKDLoss',
            student_channels=8,
            teacher_channels=48,
            attention_weight=1 / 3,
            feature_weight=200.0,
        ),
        loss_lakd_2=dict(
            type='LAKDLoss',
            student_channels=16,
            teacher_channels=96,
            attention_weight=1 / 3,
            feature_weight=200.0,
        ),
        loss_lakd_3=dict(
            type='LAKDLoss',
            student_channels=32,
            teacher_channels=192,
            attention_weight=1 / 3,
            feature_weight=200.0,
        ),
    ),
    loss_forward_mappings=dict(
        loss_lakd_1=dict(
            s_feature=dict(from_student=True, recorder='stage1'),
            t_feature=dict(from_student=False, recorder='stage1'),
        ),
        loss_lakd_2=dict(
            s_feature=dict(from_student=True, recorder='stage2'),
            t_feature=dict(from_student=False, recorder='stage2'),
        ),
        loss_lakd_3=dict(
            s_feature=dict(from_student=True, recorder='stage3'),
            t_feature=dict(from_student=False, recorder='stage3'),
        ),
    ),
)

# The first works with local_backward=True, and does nothing without.
custom_hooks = [
    dict(type='LocalBackwardHook'),
    dict(type='StudentCheckpointHook'),
]
