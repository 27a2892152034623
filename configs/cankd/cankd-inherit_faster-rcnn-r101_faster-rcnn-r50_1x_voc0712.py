_base_ = './cankd_faster-rcnn-r101_faster-rcnn-r50_1x_voc0712.py'

# The student starts from the teacher's neck and second-stage head.
model = dict(inherit=['neck', 'roi_head.bbox_head'])
