# CSKD for segmentation: the teacher's logits per pixel. Pixels without a label
# teach nothing.
_base_ = './cskd.py'

distiller = dict(
    student_recorders=dict(
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
    connectors=dict(classify=dict(num_classes=21)),
    distill_losses=dict(loss_cskd=dict(num_classes=21)),
    loss_forward_mappings=dict(
        loss_cskd=dict(labels=dict(from_student=True, recorder='labels')),
    ),
)
