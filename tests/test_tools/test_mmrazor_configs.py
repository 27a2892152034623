"""MMRazor's own distillation configs step through ``tools/train.py``."""

import pytest

from tests.forked_tools import fork_tool
from tests.tiny_data import write_cityscapes, write_coco

NO_DETECTOR_WEIGHTS = [
    'model.teacher_ckpt=None',
    'model.architecture.backbone.init_cfg=None',
    'model.teacher.backbone.init_cfg=None',
]


def _coco_options(root, work_dir) -> list[str]:
    options = [
        'train_cfg.max_epochs=1',
        'default_hooks.logger.interval=1',
        'train_dataloader.batch_size=1',
    ]
    for loader, split in (('train', 'train2017'), ('val', 'val2017')):
        options += [
            f'{loader}_dataloader.num_workers=0',
            f'{loader}_dataloader.persistent_workers=False',
            f'{loader}_dataloader.dataset.data_root={root}/',
            f'{loader}_dataloader.dataset.ann_file='
            f'annotations/instances_{split}.json',
        ]
    return options + [
        f'val_evaluator.ann_file={root}/annotations/instances_val2017.json',
        'train_dataloader.dataset.pipeline.2.scale=(128,128)',
        'val_dataloader.dataset.pipeline.1.scale=(128,128)',
    ]


@pytest.mark.parametrize(
    'config',
    [
        'pkd/pkd_fpn_retina_x101_retina_r50_2x_coco.py',
        *(
            pytest.param(config, marks=pytest.mark.slow)
            for config in (
                'pkd/pkd_fpn_faster-rcnn_r101_faster-rcnn_r50_2x_coco.py',
                'cwd/cwd_fpn_retina_r101_retina_r50_1x_coco.py',
                'mgd/mgd_fpn_retina_x101_retina_r50_2x_coco.py',
                'fbkd/fbkd_fpn_faster-rcnn_r101_faster-rcnn_r50_1x_coco.py',
            )
        ),
    ],
)
def test_detection_config_trains_and_validates(config, tmp_path):
    root = write_coco(tmp_path / 'coco', size=128)
    # So that random weights detect something to evaluate.
    rcnn = '.rcnn' if 'faster' in config else ''
    options = [f'model.architecture.test_cfg{rcnn}.score_thr=0']
    if 'mgd' in config:  # its student takes neck and head from the teacher
        options += [
            'model.architecture.neck.init_cfg=None',
            'model.architecture.bbox_head.init_cfg=None',
        ]
    output = fork_tool(
        'train.py',
        f'mmrazor::distill/mmdet/{config}',
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        *options,
        *NO_DETECTOR_WEIGHTS,
        *_coco_options(root, tmp_path),
    )
    assert 'distill.loss_' in output and ': nan' not in output
    assert 'bbox_mAP' in output
    assert (tmp_path / 'run' / 'epoch_1.pth').exists()


def test_segmentation_config_trains_and_validates(tmp_path):
    root = write_cityscapes(tmp_path / 'cityscapes')
    options = [
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=2',
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.pipeline.2.scale=(128,64)',
        'train_dataloader.dataset.pipeline.3.crop_size=(64,64)',
        'val_dataloader.dataset.pipeline.1.scale=(128,64)',
    ]
    for loader in ('train', 'val'):
        options += [
            f'{loader}_dataloader.num_workers=0',
            f'{loader}_dataloader.persistent_workers=False',
            f'{loader}_dataloader.dataset.data_root={root}/',
        ]
    for model in ('architecture', 'teacher'):
        options += [
            f'model.{model}.pretrained=None',
            f'model.{model}.data_preprocessor.size=(64,64)',
            f'model.{model}.backbone.norm_cfg.type=BN',
            f'model.{model}.decode_head.norm_cfg.type=BN',
            f'model.{model}.auxiliary_head.norm_cfg.type=BN',
        ]
    output = fork_tool(
        'train.py',
        'mmrazor::distill/mmseg/cwd/cwd_logits_pspnet_r101-d8_pspnet_r18-d8'
        '_4xb2-80k_cityscapes-512x1024.py',
        '--work-dir',
        tmp_path / 'run',
        '--cfg-options',
        'model.teacher_ckpt=None',
        *options,
    )
    assert 'distill.loss_cwd' in output
    assert 'mIoU' in output
    assert (tmp_path / 'run' / 'iter_2.pth').exists()
