_base_ = [
    'mmdet::reppoints/reppoints-moment_r50_fpn-gn_head-gn_2x_coco.py',
    '../_base_/schedules/clip_grad.py',
    '../_base_/imports.py',
]

optim_wrapper = dict(clip_grad=_base_.clip_grad)
