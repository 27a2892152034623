"""Models of the libraries whose operators mmcv compiles: a loss, a prediction.

Each is an installed config, made narrow.
"""

import copy
import importlib

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

import cankd_mm  # noqa: F401
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.model_config import build_model
from tests import tiny_models

CLASSES = 3
# Widths by what they are in the configs; other numbers stay.
_WIDTHS = {64: 8, 256: 32, 512: 32, 1024: 32, 2048: 64}
_BACKBONE = [8, 16, 32, 64]
# Config, a parameter that is trained through the operators, the operators.
DETECTORS = {
    'DyHead': (
        'dyhead/atss_r50_fpn_dyhead_1x_coco.py',
        'neck.1.dyhead_blocks.0.spatial_conv_offset.weight',
        {'modulated_deform_conv_forward', 'modulated_deform_conv_backward'},
    ),
    'guided anchoring': (
        'guided_anchoring/ga-retinanet_r50_fpn_1x_coco.py',
        'bbox_head.feature_adaption_cls.conv_offset.weight',
        {
            *('deform_conv_forward', 'deform_conv_backward_input'),
            *('masked_im2col_forward', 'masked_col2im_forward'),
        },
    ),
    'CARAFE': (
        'carafe/mask-rcnn_r50_fpn-carafe_1x_coco.py',
        'roi_head.mask_head.upsample.content_encoder.weight',
        {'carafe_forward', 'carafe_backward'},
    ),
    'deformable RoI pooling': (
        'dcn/faster-rcnn_r50_fpn_dpool_1x_coco.py',
        'roi_head.bbox_roi_extractor.roi_layers.0.offset_fc.4.weight',
        {'deform_roi_pool_forward', 'deform_roi_pool_backward'},
    ),
    'modulated deformable RoI pooling': (
        'dcnv2/faster-rcnn_r50_fpn_mdpool_1x_coco.py',
        'roi_head.bbox_roi_extractor.roi_layers.0.mask_fc.2.weight',
        {'deform_roi_pool_forward', 'deform_roi_pool_backward'},
    ),
    'PISA': (
        'pisa/faster-rcnn_r50_fpn_pisa_1x_coco.py',
        'roi_head.bbox_head.fc_reg.weight',
        {'nms_match', 'roi_align_backward'},
    ),
    'MMSyncBN': (
        'strong_baselines/'
        'mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_lsj-100e_coco.py',
        'roi_head.mask_head.convs.0.bn.weight',
        {
            *('sync_bn_forward_mean', 'sync_bn_forward_var'),
            *('sync_bn_forward_output', 'sync_bn_backward_param'),
            'sync_bn_backward_data',
        },
    ),
}


@pytest.fixture(autouse=True)
def _scope():
    DefaultScope.get_instance('test_models', scope_name='mmengine')
    torch.manual_seed(0)


@pytest.fixture
def called(monkeypatch):
    """The names of the operators that a test has called."""
    names, module = set(), importlib.import_module('mmcv._ext')

    def recorded(name):
        operator = getattr(module, name)

        def call(*args, **kwargs):
            names.add(name)
            return operator(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    operators = {'psamask_forward', 'psamask_backward'}
    operators |= {'roi_pool_forward', 'roi_pool_backward'}
    for name in operators.union(*(entry[2] for entry in DETECTORS.values())):
        recorded(name)
    return names


def narrowed(config, key=''):
    """Replace the widths of a model."""
    if isinstance(config, dict):
        return {k: narrowed(v, k) for k, v in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(narrowed(value, key) for value in config)
    if key.endswith('channels'):
        return _WIDTHS.get(config, config)
    return config


def small(config):
    """A model with a narrow ResNet-18."""
    model = narrowed(copy.deepcopy(config).to_dict())
    model['backbone'].update(
        depth=18, base_channels=8, init_cfg=None, norm_eval=False
    )
    model['backbone'].pop('frozen_stages', None)
    for part in ('neck', 'decode_head', 'auxiliary_head'):
        parts = model.get(part) or []
        for entry in parts if isinstance(parts, list) else [parts]:
            if isinstance(entry.get('in_channels'), list):
                entry['in_channels'] = _BACKBONE
            elif 'in_index' in entry:
                entry['in_channels'] = _BACKBONE[entry['in_index']]
    return ConfigDict(model)


def set_everywhere(config, **values):
    """Set keys wherever they are."""
    if isinstance(config, dict):
        for key in config:
            config[key] = values.get(key, config[key])
            set_everywhere(config[key], **values)
    elif isinstance(config, list | tuple):
        for value in config:
            set_everywhere(value, **values)


def detector(path):
    """A small model of mmdet, built from an installed config."""
    config = config_from_file(f'mmdet::{path}', 'config').model
    model = small(config)
    set_everywhere(
        model, num_classes=CLASSES, nms_pre=50, max_per_img=20, num=32,
        score_thr=0.0, num_blocks=1, batch_augments=None,
    )  # fmt: skip
    model['_scope_'] = 'mmdet'
    return model


def train(config, batch):
    """Build a model and compute the gradients of its loss."""
    model = build_model(config, 'model')
    with DefaultScope.overwrite_default_scope(config['_scope_']):
        data = model.data_preprocessor(copy.deepcopy(batch), True)
        losses = model(**data, mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert loss.isfinite()
    assert grads and all(grad.isfinite().all() for grad in grads)
    return model


def detection_batch():
    """Two images with boxes and masks."""
    from mmdet.structures.mask import BitmapMasks

    batch = tiny_models.detection_batch(CLASSES, 128)
    for sample in batch['data_samples']:
        instances = sample.gt_instances
        masks = np.ones((len(instances), 128, 128), np.uint8)
        instances.masks = BitmapMasks(masks, 128, 128)
    return batch


@pytest.mark.parametrize(
    'path, parameter, operators', DETECTORS.values(), ids=DETECTORS
)
def test_detector(path, parameter, operators, called):
    pytest.importorskip('mmdet')
    batch = detection_batch()
    model = train(detector(path), batch)
    assert model.get_parameter(parameter).grad.any()
    model.eval()
    with torch.no_grad():  # one image: guided anchoring takes no more
        (sample,) = model.test_step({k: v[:1] for k, v in batch.items()})
    assert sample.pred_instances.bboxes.isfinite().all()
    assert len(sample.pred_instances)
    assert operators <= called


def test_roi_pool_that_a_config_names(called):
    pytest.importorskip('mmdet')
    config = tiny_models.faster_rcnn(num_classes=CLASSES)
    config.roi_head.bbox_roi_extractor.roi_layer = dict(
        type='RoIPool', output_size=7
    )
    batch = detection_batch()
    model = train(config, batch).eval()
    with torch.no_grad():
        assert len(model.test_step(batch)) == 2
    assert {'roi_pool_forward', 'roi_pool_backward'} <= called


def test_psanet(called):
    pytest.importorskip('mmseg')
    path = 'mmseg::psanet/psanet_r50-d8_4xb2-40k_cityscapes-512x1024.py'
    config = small(config_from_file(path, 'config').model)
    config['decode_head'].update(channels=8, mask_size=(9, 9))
    config.update(pretrained=None, _scope_='mmseg')
    config['data_preprocessor']['size'] = (64, 64)
    set_everywhere(config, num_classes=4)
    batch = tiny_models.segmentation_batch(4)
    model = train(config, batch)
    for branch in ('attention', 'attention_p'):
        parameters = getattr(model.decode_head, branch).parameters()
        assert all(p.grad.any() for p in parameters if p.ndim == 4)
    model.eval()
    with torch.no_grad():
        results = model.test_step(batch)
    assert results[0].seg_logits.data.isfinite().all()
    assert {'psamask_forward', 'psamask_backward'} <= called
