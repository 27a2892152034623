# Photos of your own with a mask each, prepared by `tools/prepare_data.py
# segmentation`; `data_root` names the folder, which brings its classes. Crops of
# 512x512 and batches of 4, as for Pascal VOC.
_base_ = ['mmseg::_base_/datasets/pascal_voc12.py', '../imports.py']

data_root = 'data/own/'
num_classes = 21
