# The same for the digits: three levels of 48 channels.
_base_ = './tat_fpn.py'

distiller = dict(
    distill_losses=dict(
        loss_tat=dict(student_channels=48, teacher_channels=48, num_levels=3)
    )
)
