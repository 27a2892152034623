_base_ = './cankd_dino-swin-l_dino-swin-b_1x_coco.py'

# The student starts from the teacher's transformer and head. The neck has other
# input channels, and the authors do not inherit it.
model = dict(inherit=['encoder', 'decoder', 'bbox_head'])
