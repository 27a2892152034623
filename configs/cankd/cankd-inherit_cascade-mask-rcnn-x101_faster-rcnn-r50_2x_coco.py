_base_ = './cankd_cascade-mask-rcnn-x101_faster-rcnn-r50_2x_coco.py'

# The student starts from the teacher's neck and, but for the box regression,
# from its first second-stage head: the teacher's boxes are the same for all
# classes, the student's are not.
model = dict(
    inherit={
        'neck': 'neck',
        'roi_head.bbox_head.shared_fcs': 'roi_head.bbox_head.0.shared_fcs',
        'roi_head.bbox_head.fc_cls': 'roi_head.bbox_head.0.fc_cls',
    }
)
