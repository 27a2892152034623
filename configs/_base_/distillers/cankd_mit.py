# The same between two Mix Vision Transformers (SegFormer-B2 to B0). A stage is
# a ModuleList, which is never called: recorded is the backbone's tuple of maps,
# of which the last has stride 32 and 512 channels in the teacher. Not published
# and not tuned: mu and the place are those of the CNNs.
_base_ = './cankd_segmentation.py'

distiller = dict(
    student_recorders=dict(last_stage=dict(source='backbone')),
    teacher_recorders=dict(last_stage=dict(source='backbone')),
    connectors=dict(to_teacher=dict(out_channels=512)),
    distill_losses=dict(loss_cankd=dict(in_channels=512)),
    loss_forward_mappings=dict(
        loss_cankd=dict(
            s_feature=dict(data_idx=-1),
            t_feature=dict(data_idx=-1),
        )
    ),
)
