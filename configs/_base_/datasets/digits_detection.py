# Handwritten digits on 96x96 canvases, with boxes.
_base_ = './digits.py'

default_scope = 'mmdet'
visualizer = dict(
    type='DetLocalVisualizer',
    name='visualizer',
    vis_backends=[dict(type='LocalVisBackend')],
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    # Changes nothing; prediction asks for the scale factor it notes.
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    # CocoMetric takes the ground truth from `instances`, so that no second
    # path has to agree with the data set's.
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'instances',
        ),
    ),
]

train_dataloader = dict(
    dataset=dict(type='DigitsDetectionDataset', pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(type='DigitsDetectionDataset', pipeline=test_pipeline)
)
test_dataloader = val_dataloader

val_evaluator = dict(type='CocoMetric', metric='bbox')
test_evaluator = val_evaluator
