"""The student's heads have the classes of the data set."""

import pytest

from tests import tiny_models

COCO_HEAD = 'model = dict(architecture=dict(bbox_head=dict(num_classes=80)))'


def test_detector_of_coco_on_ten_classes(lint):
    code, (finding,) = lint(COCO_HEAD)
    assert code == 1
    assert finding.startswith(
        'error    model.architecture.bbox_head.num_classes: 80; expected 10, '
        'the classes of train_dataloader.dataset'
    )


def test_classes_of_the_config_go_before_those_of_the_data_set(lint):
    classes = "train_dataloader = dict(dataset=dict(metainfo=dict(classes=(\
'one', 'two'))))"
    _, (finding,) = lint(classes)
    assert 'bbox_head.num_classes: 10; expected 2' in finding


def test_classes_may_be_listed_in_a_file(lint, tmp_path):
    names = tmp_path / 'names.txt'
    names.write_text('one\ntwo\n')
    _, (finding,) = lint(
        f'train_dataloader = dict(dataset=dict(metainfo=dict('
        f'classes={str(names)!r})))'
    )
    assert 'expected 2' in finding


def test_wrapped_data_set_is_looked_into(lint):
    wrapped = (
        COCO_HEAD + '\ntrain_dataloader = dict(dataset=dict(_delete_=True, '
        "type='MultiImageMixDataset', pipeline=[], dataset=dict("
        "type='mmdet.VOCDataset', data_root='x', pipeline=[])))"
    )
    _, (finding,) = lint(wrapped)
    assert 'expected 20, the classes of train_dataloader.dataset.dataset' in (
        finding
    )


def test_plain_config_is_checked_too(lint):
    _, (finding,) = lint(
        'model = dict(bbox_head=dict(num_classes=80))',
        base='configs/digits/baseline_retinanet.py',
    )
    assert 'model.bbox_head.num_classes: 80; expected 10' in finding


def test_heads_must_agree_where_the_data_set_is_not_known(lint):
    model = tiny_models.fcn(num_classes=4).to_dict()
    model['auxiliary_head'] = dict(model['decode_head'], num_classes=5)
    _, (finding,) = lint(f'model = {model!r}', base=None)
    assert 'decode_head 4, auxiliary_head 5; expected one count' in finding


@pytest.mark.parametrize(
    'head',
    [
        "dict(type='FCNMaskHead', num_classes=80, class_agnostic=True)",
        "dict(type='FusedSemanticHead', num_classes=183)",
        'dict(num_classes=1)',
    ],
)
def test_heads_that_count_something_else_are_left_alone(lint, head):
    _, (finding,) = lint(f'model = dict(architecture=dict(mask_head={head}))')
    # What the mask head is in is of no matter to the check of classes.
    assert "unexpected keyword argument 'mask_head'" in finding
