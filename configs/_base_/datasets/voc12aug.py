# Pascal VOC 2012 with the augmented training masks, crops of 512x512, 4 images
# a GPU: MMSegmentation's.
_base_ = ['mmseg::_base_/datasets/pascal_voc12_aug.py', '../imports.py']

num_classes = 21
