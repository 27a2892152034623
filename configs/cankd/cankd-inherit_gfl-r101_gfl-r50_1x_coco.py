_base_ = './cankd_gfl-r101_gfl-r50_1x_coco.py'

# The student starts from the teacher's neck and head.
model = dict(inherit=['neck', 'bbox_head'])
