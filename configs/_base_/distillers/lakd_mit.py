# LAKD between two Mix Vision Transformers (SegFormer-B2 to B0), stage by stage:
# four local modules, the last one with the head. A stage is a ModuleList, which
# is never called: cut is the input of its patch embedding, and recorded is the
# backbone's tuple of maps.
#
# Published: alpha * L_h + (1 - alpha) * L_att + beta * L_lf, without numbers.
# Ours: alpha = 0.5 and beta = 1, all divided by alpha, so that the segmentor's
# own losses keep their weights (and its learning rate its meaning):
#   attention_weight = (1 - alpha) / alpha / 4    the mean of four modules
#   feature_weight = beta / alpha
# The cuts are 'input', which leaves the heads a way to every stage they use.
truncations = [
    dict(module='backbone.layers.1.0', on='input'),
    dict(module='backbone.layers.2.0', on='input'),
    dict(module='backbone.layers.3.0', on='input'),
]
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        backbone=dict(type='ModuleOutputs', source='backbone'),
    ),
    teacher_recorders=dict(
        backbone=dict(type='ModuleOutputs', source='backbone'),
    ),
    distill_losses=dict(
        loss_lakd_1=dict(
            type='LAKDLoss',
            student_channels=32,
            teacher_channels=64,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
        loss_lakd_2=dict(
            type='LAKDLoss',
            student_channels=64,
            teacher_channels=128,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
        loss_lakd_3=dict(
            type='LAKDLoss',
            student_channels=160,
            teacher_channels=320,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
        loss_lakd_4=dict(
            type='LAKDLoss',
            student_channels=256,
            teacher_channels=512,
            attention_weight=1 / 4,
            feature_weight=2.0,
        ),
    ),
    loss_forward_mappings=dict(
        loss_lakd_1=dict(
            s_feature=dict(from_student=True, recorder='backbone', data_idx=0),
            t_feature=dict(
                from_student=False, recorder='backbone', data_idx=0
            ),
        ),
        loss_lakd_2=dict(
            s_feature=dict(from_student=True, recorder='backbone', data_idx=1),
            t_feature=dict(
                from_student=False, recorder='backbone', data_idx=1
            ),
        ),
        loss_lakd_3=dict(
            s_feature=dict(from_student=True, recorder='backbone', data_idx=2),
            t_feature=dict(
                from_student=False, recorder='backbone', data_idx=2
            ),
        ),
        loss_lakd_4=dict(
            s_feature=dict(from_student=True, recorder='backbone', data_idx=3),
            t_feature=dict(
                from_student=False, recorder='backbone', data_idx=3
            ),
        ),
    ),
)

# The first works with local_backward=True, and does nothing without.
custom_hooks = [
    dict(type='LocalBackwardHook'),
    dict(type='StudentCheckpointHook'),
]
