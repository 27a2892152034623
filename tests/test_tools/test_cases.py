"""Recipes of users, through ``tools/train.py``.

The teacher's validation and the best checkpoint: ``test_distill_val_loop``.
"""

from tests.forked_tools import fork_tool_unchecked
from tests.tiny_data import write_coco

YOLOX = """
_base_ = ['mmdet::yolox/yolox_tiny_8xb8-300e_coco.py']
custom_imports = dict(imports=['cankd_mm'])
student = _base_.model
student.backbone.widen_factor = 0.125
student.neck.update(in_channels=[32, 64, 128], out_channels=16)
student.bbox_head.update(in_channels=16, feat_channels=16)
recorders = dict(fpn=dict(type='ModuleOutputs', source='neck'))
model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=student,
    teacher=dict(
        cfg_path='mmdet::yolox/yolox_s_8xb8-300e_coco.py',
        backbone=dict(widen_factor=0.25),
        neck=dict(in_channels=[64, 128, 256], out_channels=32),
        bbox_head=dict(in_channels=32, feat_channels=32)),
    allow_random_teacher=True,
    dry_run_size=(128, 128),
    distiller=dict(
        type='mmrazor.ConfigurableDistiller',
        student_recorders=recorders,
        teacher_recorders=recorders,
        # Its convolution has no number of input channels yet.
        connectors=dict(project=dict(
            type='mmrazor.ProjectionConnector', out_channels=32,
            num_levels=3)),
        distill_losses=dict(loss_cankd=dict(
            type='mmrazor.CanKDLoss', in_channels=32, num_levels=3)),
        loss_forward_mappings=dict(loss_cankd=dict(
            s_feature=dict(
                from_student=True, recorder='fpn', connector='project'),
            t_feature=dict(from_student=False, recorder='fpn')))))
train_cfg = dict(max_epochs=1, val_interval=2)
"""

FASTER_RCNN = """
_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py']
custom_imports = dict(imports=['cankd_mm'])
student = {student}
student.roi_head.bbox_head.num_classes = 80
recorders = dict(
    regions=dict(type='ModuleOutputs', source='roi_head.bbox_roi_extractor'))
model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=student,
    teacher=student,
    allow_random_teacher=True,
    dry_run_size=(64, 64),
    distiller=dict(
        type='mmrazor.ConfigurableDistiller',
        student_recorders=recorders,
        teacher_recorders=recorders,
        distill_losses=dict(
            loss_regions=dict(type='mmrazor.ChannelWiseDivergence')),
        loss_forward_mappings=dict(loss_regions=dict(
            preds_S=dict(from_student=True, recorder='regions'),
            preds_T=dict(from_student=False, recorder='regions')))))
train_cfg = dict(max_epochs=1)
"""

MASK2FORMER = """
_base_ = ['mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py']
custom_imports = dict(
    _delete_=True, imports=['mmdet.models', 'cankd_mm'],
    allow_failed_imports=False)
student = _base_.model
student.backbone.update(
    type='ResNet', depth=18, base_channels=8, init_cfg=None)
student.data_preprocessor.size = (64, 64)
student.test_cfg = dict(mode='whole')
head = student.decode_head
head.update(
    in_channels=[8, 16, 32, 64], feat_channels=32, out_channels=32,
    num_queries=5, num_transformer_feat_level=3)
head.pixel_decoder.encoder.num_layers = 1
head.pixel_decoder.encoder.layer_cfg.self_attn_cfg.embed_dims = 32
head.pixel_decoder.encoder.layer_cfg.ffn_cfg.update(
    embed_dims=32, feedforward_channels=32)
head.pixel_decoder.positional_encoding.num_feats = 16
head.positional_encoding.num_feats = 16
head.transformer_decoder.num_layers = 1
layer = head.transformer_decoder.layer_cfg
layer.self_attn_cfg.embed_dims = 32
layer.cross_attn_cfg.embed_dims = 32
layer.ffn_cfg.update(embed_dims=32, feedforward_channels=32)
recorders = dict(x=dict(
    type='ModuleOutputs', source='decode_head.pixel_decoder.mask_feature'))
model = dict(
    _delete_=True,
    type='mmrazor.FrozenTeacherDistill',
    architecture=student,
    teacher=student,
    allow_random_teacher=True,
    dry_run_size=(64, 64),
    distiller=dict(
        type='mmrazor.ConfigurableDistiller',
        student_recorders=recorders,
        teacher_recorders=recorders,
        distill_losses=dict(
            loss_cankd=dict(type='mmrazor.CanKDLoss', in_channels=32)),
        loss_forward_mappings=dict(loss_cankd=dict(
            s_feature=dict(from_student=True, recorder='x'),
            t_feature=dict(from_student=False, recorder='x')))))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root={root!r}, pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', reduce_zero_label=True),
        dict(type='RandomCrop', crop_size=(64, 64)),
        dict(type='PackSegInputs')]))
train_cfg = dict(max_iters=1, val_interval=10)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(save_best=None))
"""


def _run(tmp_path, text: str, *options: str) -> tuple[int, str]:
    config = tmp_path / 'config.py'
    config.write_text(text)
    arguments = ['train.py', config, '--work-dir', tmp_path / 'run']
    if options:
        arguments += ['--cfg-options', *options]
    return fork_tool_unchecked(*arguments)


def _coco(tmp_path, dataset: str = 'dataset') -> list[str]:
    root = write_coco(tmp_path / 'coco', size=64)
    return [
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=2',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        f'train_dataloader.{dataset}.data_root={root}/',
        f'val_dataloader.dataset.data_root={root}/',
        f'val_evaluator.ann_file={root}/annotations/instances_val2017.json',
        'default_hooks.logger.interval=1',
    ]


def test_mode_switch_of_yolox_acts_on_the_student(tmp_path):
    code, output = _run(
        tmp_path,
        YOLOX,
        *_coco(tmp_path, 'dataset.dataset'),
        'train_dataloader.dataset.pipeline.0.img_scale=(64,64)',
    )
    assert code == 0, output[-6000:]
    # The hook has set `bbox_head.use_l1`.
    assert 'No mosaic and mixup aug now!' in output
    assert 'loss_l1' in output and 'distill.loss_cankd' in output
    assert (tmp_path / 'run/epoch_1.pth').exists()


def test_loss_on_regions_names_the_reason(tmp_path):
    from tests.tiny_models import faster_rcnn

    student = f'__import__("mmengine").ConfigDict({faster_rcnn().to_dict()!r})'
    code, output = _run(
        tmp_path, FASTER_RCNN.format(student=student), *_coco(tmp_path)
    )
    assert code != 0
    reason = output[output.rindex('model.distiller.distill_losses') :]
    assert 'distill_losses.loss_regions' in reason
    assert "student 'roi_head.bbox_roi_extractor' (" in reason
    assert "teacher 'roi_head.bbox_roi_extractor' (" in reason
    assert 'own proposals' in reason


def test_decoder_of_mask2former_is_recorded(tmp_path):
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for folder, suffix, shape in (
        ('images/training', 'jpg', (64, 64, 3)),
        ('annotations/training', 'png', (64, 64)),
    ):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(0, 4, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(
                tmp_path / folder / f'{number}.{suffix}'
            )
    code, output = _run(
        tmp_path, MASK2FORMER.replace('{root!r}', repr(str(tmp_path)))
    )
    assert code == 0, output[-6000:]
    assert 'distill.loss_cankd' in output and ': nan' not in output
