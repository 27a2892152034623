# LAKD between the ResNets of two detectors: three local modules, stem to
# layer2, layer3, and layer4 with neck and head. The first stage is frozen in
# MMDetection's recipes and has nothing to learn.
#
# Published: alpha * L_h + (1 - alpha) * L_att + beta * L_lf, without numbers.
# Ours: alpha = 0.5 and beta = 1, all divided by alpha, so that the detector's
# own losses keep their weights (and its learning rate its meaning):
#   attention_weight = (1 - alpha) / alpha / 3    the mean of three modules
#   feature_weight = beta / alpha
# The cuts are 'input', which leaves the task loss a way through the FPN.
truncations = [
    dict(module='backbone.layer3', on='input'),
    dict(module='backbone.layer4', on='input'),
]
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
        stage4=dict(type='ModuleOutputs', source='backbone.layer4'),
    ),
    teacher_recorders=dict(
        stage2=dict(type='ModuleOutputs', source='backbone.layer2'),
        stage3=dict(type='ModuleOutputs', source='backbone.layer3'),
        stage4=dict(type='ModuleOutputs', source='backbone.layer4'),
    ),
    distill_losses=dict(
        loss_lakd_2=dict(
            type='LAKDLoss',
            student_channels=512,
            teacher_channels=512,
            attention_weight=1 / 3,
            feature_weight=2.0,
        ),
        loss_lakd_3=dict(
            type='LAKDLoss',
            student_channels=1024,
            teacher_channels=1024,
            attention_weight=1 / 3,
            feature_weight=2.0,
        ),
        loss_lakd_4=dict(
            type='LAKDLoss',
            student_channels=2048,
            teacher_channels=2048,
            attention_weight=1 / 3,
            feature_weight=2.0,
        ),
    ),
    loss_forward_mappings=dict(
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
