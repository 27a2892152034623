# Photos of your own with boxes, prepared by `tools/prepare_data.py detection`;
# `data_root` names the folder, which brings its classes. Steps, image size and
# batches are those of COCO.
_base_ = './coco.py'

data_root = 'data/own/'
