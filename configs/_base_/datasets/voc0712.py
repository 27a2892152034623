# Pascal VOC detection: trains on 2007 and 2012 (three times an epoch), tests on
# 2007, 2 images a GPU: MMDetection's.
_base_ = ['mmdet::_base_/datasets/voc0712.py', '../imports.py']

num_classes = 20
# Longest width and height of an image, in training and in evaluation.
image_scale = (1000, 600)
