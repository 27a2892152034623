_base_ = './cankd_reppoints-x101-dcn_reppoints-r50_2x_coco.py'

# The student starts from the teacher's neck and head.
model = dict(inherit=['neck', 'bbox_head'])
