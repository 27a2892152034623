# Cityscapes, crops of 512x1024, 2 images a GPU: MMSegmentation's.
_base_ = ['mmseg::_base_/datasets/cityscapes.py', '../imports.py']

num_classes = 19
