_base_ = './cankd_mask-rcnn-swin-s_retinanet-r50_2x_coco.py'

# The student starts from the teacher's output convolutions of P3 to P5, which
# are one place further in a pyramid that starts at P2. The lateral ones have
# other channels, and P6 is pooled there.
model = dict(
    inherit={
        'neck.fpn_convs.0': 'neck.fpn_convs.1',
        'neck.fpn_convs.1': 'neck.fpn_convs.2',
        'neck.fpn_convs.2': 'neck.fpn_convs.3',
    }
)
