# COCO-Stuff 164k, crops of 512x512, 4 images a GPU: MMSegmentation's.
_base_ = ['mmseg::_base_/datasets/coco-stuff164k.py', '../imports.py']

num_classes = 171
