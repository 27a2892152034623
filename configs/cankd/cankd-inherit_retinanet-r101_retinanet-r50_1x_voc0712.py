_base_ = './cankd_retinanet-r101_retinanet-r50_1x_voc0712.py'

# The student starts from the teacher's neck and head.
model = dict(inherit=['neck', 'bbox_head'])
