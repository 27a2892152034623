"""CSKD takes training steps: dense forms, and the published one."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmrazor.registry import MODELS
from torch import nn

from tests import tiny_models

ALGORITHMS = ['FrozenTeacherDistill', 'SingleTeacherDistill']
GROUND_TRUTH = (
    'mmseg.models.decode_heads.decode_head.BaseDecodeHead._stack_batch_gt'
)
DENSE_HEAD = 'mmdet.models.dense_heads.anchor_head.AnchorHead.forward'


def transformer(**kwargs) -> dict:
    """Three stages of strides 4, 8 and 16."""
    return dict(
        embed_dims=8,
        num_stages=3,
        num_layers=[1, 1, 1],
        num_heads=[1, 2, 4],
        patch_sizes=[7, 3, 3],
        strides=[4, 2, 2],
        sr_ratios=[4, 2, 1],
        out_indices=(0, 1, 2),
        **kwargs,
    )


def segmentation(algorithm: str) -> tuple[ConfigDict, dict]:
    student = tiny_models.fcn()
    student.backbone = transformer(type='MixVisionTransformer')
    student.decode_head.update(in_channels=32, in_index=2)
    # It asks for the ground truth a second time.
    student.auxiliary_head = copy.deepcopy(student.decode_head)
    student.auxiliary_head.update(in_channels=16, in_index=1)
    config = distillation(
        algorithm,
        student,
        tiny_models.fcn(),
        dict(type='ModuleOutputs', source='decode_head.conv_seg'),
        num_classes=4,
    )
    config.distiller.student_recorders.labels = dict(
        type='MethodOutputs', source=GROUND_TRUTH
    )
    mapping = config.distiller.loss_forward_mappings.loss_cskd
    mapping.labels = dict(from_student=True, recorder='labels')
    return config, tiny_models.segmentation_batch()


def detection(algorithm: str) -> tuple[ConfigDict, dict]:
    student = tiny_models.retinanet()
    student.backbone = transformer(
        type='PyramidVisionTransformer',
        paddings=[3, 1, 1],
        mlp_ratios=[2, 2, 2],
        use_abs_pos_embed=False,
        norm_after_stage=True,
        use_conv_ffn=True,
    )
    student.neck.update(in_channels=[8, 16, 32], start_level=0)
    student.neck.pop('add_extra_convs')
    config = distillation(
        algorithm,
        student,
        tiny_models.retinanet(),
        dict(type='MethodOutputs', source=DENSE_HEAD),
        num_classes=3,
        activation='sigmoid',
    )
    mapping = config.distiller.loss_forward_mappings.loss_cskd
    mapping.t_feature.data_idx = 0
    return config, tiny_models.detection_batch()


def distillation(
    algorithm: str,
    student: dict,
    teacher: dict,
    recorder: dict,
    num_classes: int,
    **loss,
) -> ConfigDict:
    config = ConfigDict(
        type=f'mmrazor.{algorithm}',
        architecture=student,
        teacher=teacher,
        distiller=dict(
            _scope_='mmrazor',
            type='ConfigurableDistiller',
            student_recorders=dict(
                patches=dict(type='ModuleOutputs', source='backbone')
            ),
            teacher_recorders=dict(logits=recorder),
            connectors=dict(
                classify=dict(
                    type='PatchClassifierConnector',
                    num_classes=num_classes,
                    in_channels=32,
                )
            ),
            distill_losses=dict(
                loss_cskd=dict(
                    type='CSKDLoss',
                    num_classes=num_classes,
                    global_term='decoupled',
                    **loss,
                )
            ),
            loss_forward_mappings=dict(
                loss_cskd=dict(
                    s_feature=dict(
                        from_student=True,
                        recorder='patches',
                        data_idx=2,
                        connector='classify',
                    ),
                    t_feature=dict(from_student=False, recorder='logits'),
                )
            ),
        ),
    )
    if algorithm == 'FrozenTeacherDistill':
        config.update(allow_random_teacher=True, dry_run_size=(64, 96))
    return config


def build(config):
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    return model


@pytest.mark.parametrize('algorithm', ALGORITHMS)
@pytest.mark.parametrize('make', [segmentation, detection])
def test_training_steps_reach_student_and_patch_classifier(make, algorithm):
    config, batch = make(algorithm)
    model = build(config)
    weights = [
        model.student.backbone.layers[0][0].projection.weight,
        *model.distiller.parameters(),
    ]
    assert len(weights) == 3
    before = [weight.detach().clone() for weight in weights]
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    for _ in range(2):
        values = model.train_step(copy.deepcopy(batch), optimizer)
        assert values['distill.loss_cskd'] > 0
    for weight, start in zip(weights, before, strict=True):
        assert not torch.equal(weight, start)


@pytest.mark.parametrize('make', [segmentation, detection])
def test_distill_gradient_alone_reaches_the_patches(make):
    config, batch = make('FrozenTeacherDistill')
    model = build(config)
    data = model.data_preprocessor(batch, True)
    losses = model(**data, mode='loss')
    losses['distill.loss_cskd'].backward()
    patches = model.student.backbone.layers[2][0].projection.weight
    assert patches.grad.abs().max() > 0
    assert all(p.grad is not None for p in model.distiller.parameters())
    assert all(p.grad is None for p in model.teacher.parameters())


@pytest.mark.parametrize('make', [segmentation, detection])
def test_model_can_be_copied_after_a_step_and_the_copy_trains(make):
    config, batch = make('FrozenTeacherDistill')
    model = build(config)
    values = []
    for _ in range(2):
        optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0))
        torch.manual_seed(0)
        step = model.train_step(copy.deepcopy(batch), optimizer)
        values.append(step['distill.loss_cskd'])
        model = copy.deepcopy(model)
    assert values[0] == values[1] > 0


def test_ignored_pixels_of_the_batch_reach_the_loss():
    config, batch = segmentation('FrozenTeacherDistill')
    model = build(config)
    seen = []
    model.distiller.distill_losses.loss_cskd.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs['labels']),
        with_kwargs=True,
    )
    for sample in batch['data_samples']:
        sample.gt_sem_seg.data[:] = 255
    data = model.data_preprocessor(batch, True)
    losses = model(**data, mode='loss')
    assert losses['distill.loss_cskd'] == 0
    assert seen[0].shape == (2, 1, 64, 64)


def test_teacher_stops_behind_its_dense_logits():
    config, batch = segmentation('FrozenTeacherDistill')
    config.teacher.auxiliary_head = copy.deepcopy(config.teacher.decode_head)
    model = build(config)
    called = []
    for name, module in model.teacher.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.append(name))
    data = model.data_preprocessor(batch, True)
    model(**data, mode='loss')
    assert called[-1] == 'decode_head.conv_seg'


def test_every_level_of_the_teachers_head_is_recorded():
    config, batch = detection('FrozenTeacherDistill')
    model = build(config)
    data = model.data_preprocessor(batch, True)
    model._run_teacher(data['inputs'], data['data_samples'])
    recorder = model.distiller.teacher_recorders.get_recorder('logits')
    levels = recorder.get_record_data(data_idx=0)
    assert [tuple(level.shape) for level in levels] == [
        (2, 3, 8 // 2**level or 1, 8 // 2**level or 1) for level in range(5)
    ]


def test_dry_run_tries_the_loss_without_the_labels():
    config, _ = segmentation('FrozenTeacherDistill')
    config.distiller.distill_losses.loss_cskd.num_classes = 5
    with pytest.raises(ValueError, match='loss_cskd does not fit') as error:
        MODELS.build(config)
    assert "teacher 'decode_head.conv_seg'" in str(error.value)


# ------------------------------------------------------ as published: images


class Convolutional(BaseModel):
    """A classifier with a pooled feature map, as the paper's teacher."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 6, 32, 32)
        self.head = nn.Linear(6, 5)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.head(self.backbone(inputs).mean((2, 3)))


class Distilled(BaseModel):
    """Patches behind a class and a distillation token, as DeiT has them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 16, 16)
        self.extra = nn.Parameter(torch.randn(1, 2, 8))
        self.backbone = nn.TransformerEncoderLayer(
            8, 2, 16, 0.0, batch_first=True
        )
        self.head = nn.Linear(8, 5)
        self.head_dist = nn.Linear(8, 5)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        patches = self.embed(inputs).flatten(2).transpose(1, 2)
        extra = self.extra.expand(len(inputs), -1, -1)
        tokens = self.backbone(torch.cat([extra, patches], 1))
        logits = self.head(tokens[:, 0])
        if mode == 'tensor':
            return logits, self.head_dist(tokens[:, 1])
        labels = torch.zeros(len(inputs), dtype=torch.long)
        return dict(loss=0.5 * F.cross_entropy(logits, labels))


def test_patches_share_the_distillation_head_as_published():
    config = ConfigDict(
        type='mmrazor.FrozenTeacherDistill',
        architecture=Distilled(),
        teacher=Convolutional(),
        allow_random_teacher=True,
        dry_run_size=(64, 64),
        distiller=dict(
            type='ConfigurableDistiller',
            student_recorders=dict(
                patches=dict(type='ModuleOutputs', source='backbone'),
                weight=dict(type='Parameter', source='head_dist.weight'),
                bias=dict(type='Parameter', source='head_dist.bias'),
            ),
            teacher_recorders=dict(
                feature=dict(type='ModuleOutputs', source='backbone'),
                weight=dict(type='Parameter', source='head.weight'),
                bias=dict(type='Parameter', source='head.bias'),
            ),
            connectors=dict(
                lay_out=dict(type='TokenMapConnector', num_extra_tokens=2)
            ),
            distill_losses=dict(
                loss_cskd=dict(type='CSKDLoss', num_classes=5)
            ),
            loss_forward_mappings=dict(
                loss_cskd=dict(
                    s_feature=dict(
                        from_student=True,
                        recorder='patches',
                        connector='lay_out',
                    ),
                    s_weight=dict(from_student=True, recorder='weight'),
                    s_bias=dict(from_student=True, recorder='bias'),
                    t_feature=dict(from_student=False, recorder='feature'),
                    t_weight=dict(from_student=False, recorder='weight'),
                    t_bias=dict(from_student=False, recorder='bias'),
                )
            ),
        ),
    )
    model = build(config)
    inputs = torch.randn(2, 3, 64, 64)
    student, teacher = model.student, model.teacher
    tokens = []
    student.backbone.register_forward_hook(
        lambda module, args, output: tokens.append(output)
    )
    loss = model(inputs, mode='loss')['distill.loss_cskd']
    patches = student.head_dist(tokens[0][:, 2:])
    patches = patches.transpose(1, 2).unflatten(2, (4, 4))
    feature = teacher.backbone(inputs).movedim(1, -1)
    labels = teacher.head(feature).argmax(-1)
    expected = F.cross_entropy(F.avg_pool2d(patches, 2), labels)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert student.head_dist.weight.grad.abs().max() > 0
    assert student.head.weight.grad is None
    assert all(p.grad is None for p in teacher.parameters())
