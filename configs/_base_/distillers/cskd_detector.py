# CSKD for detection: which classes the teacher's dense head sees in the area
# of a patch, over all anchors and levels, teaches the patches of the
# student's backbone through a classifier that is thrown away.
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        patches=dict(type='ModuleOutputs', source='backbone'),
    ),
    teacher_recorders=dict(
        # The first output: the class logits of all levels.
        logits=dict(
            type='MethodOutputs',
            source='mmdet.models.dense_heads.anchor_head.AnchorHead.forward',
        ),
    ),
    connectors=dict(
        classify=dict(
            type='PatchClassifierConnector',
            num_classes=80,
            prior_probability=0.01,
        ),
    ),
    distill_losses=dict(
        loss_cskd=dict(
            type='CSKDLoss',
            num_classes=80,
            global_term='decoupled',
            hard=False,
            activation='sigmoid',
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
            t_feature=dict(from_student=False, recorder='logits', data_idx=0),
        ),
    ),
)
