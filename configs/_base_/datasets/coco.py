# COCO 2017 detection, 2 images a GPU: MMDetection's.
_base_ = ['mmdet::_base_/datasets/coco_detection.py', '../imports.py']

num_classes = 80
# Longest width and height of an image, in training and in evaluation.
image_scale = (1333, 800)
