# CSKD for segmentation: the teacher's logits per pixel teach the patches of
# the student's backbone through a classifier that is thrown away. Pixels
# without a label teach nothing.
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        patches=dict(type='ModuleOutputs', source='backbone'),
        # Auxiliary heads ask for it again; the first record is used.
        labels=dict(
            type='MethodOutputs',
            source='mmseg.models.decode_heads.decode_head.BaseDecodeHead.'
            '_stack_batch_gt',
        ),
    ),
    teacher_recorders=dict(
        logits=dict(type='ModuleOutputs', source='decode_head.conv_seg'),
    ),
    connectors=dict(
        classify=dict(type='PatchClassifierConnector', num_classes=21),
    ),
    distill_losses=dict(
        loss_cskd=dict(
            type='CSKDLoss',
            num_classes=21,
            global_term='decoupled',
            hard=False,
        ),
    ),
    loss_forward_mappings=dict(
        loss_cskd=dict(
            s_feature=dict(
                from_student=True,
                recorder='patches',
                data_idx=-1,
                connector='classify',
            ),
            t_feature=dict(from_student=False, recorder='logits'),
            labels=dict(from_student=True, recorder='labels'),
        ),
    ),
)
