# CanKD between the last stages of two segmentors' backbones, both of output
# stride 8. A learnable 1x1 convolution, without norm or activation, brings the
# student to the teacher's 2048 channels, as in the authors' Cityscapes runs.
# loss_weight is the paper's mu; the authors' code writes 10 for mu = 5.
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        last_stage=dict(type='ModuleOutputs', source='backbone.layer4'),
    ),
    teacher_recorders=dict(
        last_stage=dict(type='ModuleOutputs', source='backbone.layer4'),
    ),
    connectors=dict(
        to_teacher=dict(type='ProjectionConnector', out_channels=2048),
    ),
    distill_losses=dict(
        loss_cankd=dict(type='CanKDLoss', in_channels=2048, loss_weight=5.0),
    ),
    loss_forward_mappings=dict(
        loss_cankd=dict(
            s_feature=dict(
                from_student=True,
                recorder='last_stage',
                connector='to_teacher',
            ),
            t_feature=dict(from_student=False, recorder='last_stage'),
        ),
    ),
)
