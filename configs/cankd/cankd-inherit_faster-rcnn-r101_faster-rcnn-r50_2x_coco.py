_base_ = './cankd_faster-rcnn-r101_faster-rcnn-r50_2x_coco.py'

# The student starts from the teacher's neck and second-stage head.
model = dict(inherit=['neck', 'roi_head.bbox_head'])
