# TaT between two SegFormer decoders (B2 to B0): where all stages are fused to 256
# channels of stride 4, upstream of the ReLU. Not published and not tuned; our
# choice: patches, anchors and weights are those of DeepLabV3+ R18.
_base_ = './tat_deeplabv3plus_r18_voc12aug.py'

tap = 'decode_head.fusion_conv.bn'
channels = 256
distiller = dict(
    student_recorders=dict(decoder=dict(source=tap)),
    teacher_recorders=dict(decoder=dict(source=tap)),
    distill_losses=dict(
        loss_tat=dict(student_channels=channels, teacher_channels=channels)
    ),
)
