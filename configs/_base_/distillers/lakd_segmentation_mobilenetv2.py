# The same with a MobileNetV2 as the student: the last modules of strides 4, 8
# and 16 (8 where dilated), and of all.
_base_ = './lakd_segmentation.py'

truncations = [
    dict(module=f'backbone.layer{i}', on='input') for i in (3, 4, 6)
]
distiller = dict(
    student_recorders=dict(
        stage1=dict(source='backbone.layer2'),
        stage2=dict(source='backbone.layer3'),
        stage3=dict(source='backbone.layer5'),
        stage4=dict(source='backbone.layer7'),
    ),
    distill_losses=dict(
        loss_lakd_1=dict(student_channels=24),
        loss_lakd_2=dict(student_channels=32),
        loss_lakd_3=dict(student_channels=96),
        loss_lakd_4=dict(student_channels=320),
    ),
)
