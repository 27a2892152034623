# CSKD for detection: which classes the teacher's dense head sees in the area
# of a patch, over all anchors and levels.
_base_ = './cskd.py'

distiller = dict(
    teacher_recorders=dict(
        # The first output: the class logits of all levels.
        logits=dict(
            type='MethodOutputs',
            source='mmdet.models.dense_heads.anchor_head.AnchorHead.forward',
        ),
    ),
    connectors=dict(
        classify=dict(num_classes=80, prior_probability=0.01),
    ),
    distill_losses=dict(
        loss_cskd=dict(num_classes=80, activation='sigmoid'),
    ),
    loss_forward_mappings=dict(loss_cskd=dict(t_feature=dict(data_idx=0))),
)
