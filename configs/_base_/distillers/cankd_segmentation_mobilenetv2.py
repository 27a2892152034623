# The same with a MobileNetV2 as the student: its last stage, 320 channels.
_base_ = './cankd_segmentation.py'

distiller = dict(
    student_recorders=dict(last_stage=dict(source='backbone.layer7'))
)
