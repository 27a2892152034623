# The same with a ResNet-18 as the student.
_base_ = './lakd_detection.py'

distiller = dict(
    distill_losses=dict(
        loss_lakd_2=dict(student_channels=128),
        loss_lakd_3=dict(student_channels=256),
        loss_lakd_4=dict(student_channels=512),
    )
)
