_base_ = [
    'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py',
    '../_base_/imports.py',
]

# Of the learning rate; MMDetection leaves 16 from its 1x schedule.
auto_scale_lr = dict(base_batch_size=256)
