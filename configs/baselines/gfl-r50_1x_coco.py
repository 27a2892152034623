_base_ = [
    'mmdet::gfl/gfl_r50_fpn_1x_coco.py',
    '../_base_/schedules/clip_grad.py',
    '../_base_/imports.py',
]

optim_wrapper = dict(clip_grad=_base_.clip_grad)
