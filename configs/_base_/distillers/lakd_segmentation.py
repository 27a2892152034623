# LAKD between the backbones of two segmentors, stage by stage: four local
# modules, the last one with the heads. The teacher is a ResNet of bottlenecks;
# students name their own modules and channels.
#
# Published: alpha * L_h + (1 - alpha) * L_att + beta * L_lf, without numbers.
# Ours: alpha = 0.5 and beta = 1, all divided by alpha, so that the segmentor's
# own losses keep their weights (and its learning rate its meaning):
#   attention_weight = (1 - alpha) / alpha / 4    the mean of four modules
#   feature_weight = beta / alpha
# The cuts are 'input', which leaves the heads a way to every stage they use.
truncations = [
    dict(module='backbone.layer2', on='input'),
    dict(module='backbone.layer3', on='input'),
    dict(module='backbone.layer4', on='input'),
]
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
        stage4=dict(type='ModuleOutputs', source='backbone.layer4'),
    ),
    teacher_recorders=dict(
        stage1=dict(type='ModuleOutputs', source='backbone.layer1'),
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
        stage4=dict(type='ModuleOutputs', source='backbone.layer4'),
    ),
    distill_losses=dict(
        loss_lakd_1=dict(
            type='LAKDLoss',
            student_channels=64,
            teacher_channels=256,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
        loss_lakd_2=dict(
            type='LAKDLoss',
            student_channels=128,
            teacher_channels=512,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
        loss_lakd_3=dict(
            type='LAKDLoss',
            student_channels=256,
            teacher_channels=1024,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
        loss_lakd_4=dict(
            type='LAKDLoss',
            student_channels=512,
            teacher_channels=2048,
            attention_weight=1 / 4,
            feature_weight=2.0,
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
        loss_lakd_4=dict(
            s_feature=dict(from_student=True, recorder='stage4'),
            t_feature=dict(from_student=False, recorder='stage4'),
        ),
    ),
)

# The first works with local_backward=True, and does nothing without.
custom_hooks = [
    dict(type='LocalBackwardHook'),
    dict(type='StudentCheckpointHook'),
]
