_base_ = './cankd_retinanet-x101_retinanet-r50_2x_coco.py'

# The student starts from the teacher's neck and head.
model = dict(inherit=['neck', 'bbox_head'])
