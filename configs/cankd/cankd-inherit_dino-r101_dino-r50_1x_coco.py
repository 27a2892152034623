_base_ = './cankd_dino-r101_dino-r50_1x_coco.py'

# The student starts from all of the teacher but its backbone and queries.
model = dict(inherit=['neck', 'encoder', 'decoder', 'bbox_head'])
