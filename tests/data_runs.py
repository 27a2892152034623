"""One iteration of training on tiny data of a test's own."""

from pathlib import Path

from mmengine.config import Config

from cankd_mm.engine.training import TrainingOptions, training_runner
from tests import tiny_models
from tests.tiny_data import ANIMALS

_DETECTION = [
    dict(type='LoadImageFromFile'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(type='mmdet.PackDetInputs'),
]
_SEGMENTATION = [
    dict(type='LoadImageFromFile'),
    dict(type='mmseg.LoadAnnotations'),
    dict(type='mmseg.PackSegInputs'),
]


def coco(root: Path, **kwargs) -> dict:
    """Return the COCO data set of ``write_boxes``."""
    data = dict(
        type='mmdet.CocoDataset',
        data_root=f'{root}/',
        ann_file='train.json',
        data_prefix=dict(img='JPEGImages/'),
        metainfo=dict(classes=ANIMALS),
        pipeline=_DETECTION,
    )
    return {**data, **kwargs}


def voc(root: Path, **kwargs) -> dict:
    """Return the VOC data set of ``write_boxes``."""
    data = dict(
        type='mmdet.VOCDataset',
        data_root=f'{root}/',
        ann_file='train.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=ANIMALS),
        pipeline=_DETECTION,
    )
    return {**data, **kwargs}


def masks(root: Path, **kwargs) -> dict:
    """Return the data set of ``write_masks``."""
    data = dict(
        type='mmseg.BaseSegDataset',
        data_root=f'{root}/',
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        metainfo=dict(classes=('a', 'b', 'c', 'd')),
        pipeline=_SEGMENTATION,
    )
    return {**data, **kwargs}


def config(dataset: dict, work_dir: Path, iterations: int = 1) -> Config:
    """Return a config that trains a tiny model on a data set."""
    is_segmentation = 'mmseg.Pack' in str(dataset)
    model = tiny_models.fcn() if is_segmentation else tiny_models.retinanet()
    return Config(
        dict(
            default_scope='mmseg' if is_segmentation else 'mmdet',
            model=model,
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=True),
                dataset=dataset,
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3)),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='CheckpointHook', interval=-1),
            ),
            custom_imports=dict(imports=['cankd_mm']),
            log_processor=dict(by_epoch=False),
            launcher='none',
            randomness=dict(seed=0),
            work_dir=str(work_dir),
        )
    )


def train(cfg: Config, **options):
    """Train as ``tools/train.py`` does; return the runner."""
    runner = training_runner(cfg, TrainingOptions(**options))
    runner.train()
    return runner


def log_of(work_dir: Path) -> str:
    """Return what a run has logged."""
    return '\n'.join(f.read_text() for f in Path(work_dir).rglob('*.log'))
