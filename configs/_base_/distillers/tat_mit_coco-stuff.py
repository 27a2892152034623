# The same on COCO-Stuff, with what DeepLabV3+ R18 has there.
_base_ = './tat_deeplabv3plus_r18_coco-stuff.py'

tap = 'decode_head.fusion_conv.bn'
channels = 256
distiller = dict(
    student_recorders=dict(decoder=dict(source=tap)),
    teacher_recorders=dict(decoder=dict(source=tap)),
    distill_losses=dict(
        loss_tat=dict(student_channels=channels, teacher_channels=channels)
    ),
)
