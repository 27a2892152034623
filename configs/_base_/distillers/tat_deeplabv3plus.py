# TaT between two DeepLabV3+ decoders, before the last ReLU of the second 3x3
# convolution. The teacher's decoder has 512 channels there; a pair adds the
# student's, and its patches, anchors and weights.
tap = 'decode_head.sep_bottleneck.1.pointwise_conv.bn'
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        decoder=dict(type='ModuleOutputs', source=tap),
    ),
    teacher_recorders=dict(
        decoder=dict(type='ModuleOutputs', source=tap),
    ),
    distill_losses=dict(
        loss_tat=dict(type='TaTLoss', teacher_channels=512),
    ),
    loss_forward_mappings=dict(
        loss_tat=dict(
            s_feature=dict(from_student=True, recorder='decoder'),
            t_feature=dict(from_student=False, recorder='decoder'),
        ),
    ),
)
