# The masks of the handwritten digits: background and ten classes.
_base_ = './digits.py'

default_scope = 'mmseg'
visualizer = dict(
    type='SegLocalVisualizer',
    name='visualizer',
    vis_backends=[dict(type='LocalVisBackend')],
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(
    dataset=dict(type='DigitsSegmentationDataset', pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(type='DigitsSegmentationDataset', pipeline=test_pipeline)
)
test_dataloader = val_dataloader

val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
