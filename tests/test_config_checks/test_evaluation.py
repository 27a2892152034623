"""Predictions are evaluated by metrics that fit them and their data."""

import pytest

COCO = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'
SEGMENTOR = 'configs/digits/baseline_segmentor.py'
DETECTOR = 'configs/digits/baseline_retinanet.py'
VOC = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_1x_voc0712.py'
MOVED = "val_dataloader = dict(dataset=dict(data_root='{}'))"


def errors(findings) -> list[str]:
    return [f for f in findings if f.startswith('error')]


def evaluator(body: str) -> str:
    return f'val_evaluator = dict(_delete_=True, {body})'


def test_metric_reads_another_annotation_file(lint):
    _, (finding,) = lint(MOVED.format('mine'), base=COCO)
    assert finding.startswith('warning  val_evaluator.ann_file: data/coco/')
    assert 'expected mine/annotations/' in finding


def test_same_file_in_other_words(lint):
    assert lint(MOVED.format('./data/coco'), base=COCO) == (0, [])


def test_coco_metric_on_a_voc_data_set(lint):
    code, findings = lint(
        evaluator("type='CocoMetric', metric='bbox'"), base=VOC
    )
    (finding,) = errors(findings)
    assert code == 1
    assert finding.startswith('error    val_evaluator.ann_file: None')
    assert 'packs none' in finding and "type='VOCMetric'" in finding


def test_coco_json_for_a_voc_data_set(lint):
    _, (finding,) = lint(
        evaluator("type='CocoMetric', ann_file='a.json'"), base=VOC
    )
    assert finding.startswith('warning  val_evaluator.type: CocoMetric reads')
    assert 'the names of its images are no ids' in finding


def test_objects_from_the_data_samples_are_no_fault(lint):
    """As the digits' data set gives them."""
    assert lint('', base=DETECTOR) == (0, [])


@pytest.mark.parametrize('loads', [False, True])
def test_voc_metric_on_a_coco_data_set(loads, lint):
    step = "dict(type='LoadAnnotations', with_bbox=True),"
    pipeline = (
        'val_dataloader = dict(dataset=dict(pipeline=['
        "dict(type='LoadImageFromFile'),"
        "dict(type='Resize', scale=(1333, 800), keep_ratio=True),"
        f"{step if loads else ''}dict(type='PackDetInputs')]))\n"
    )
    code, findings = lint(
        pipeline + evaluator("type='VOCMetric', metric='mAP'"), base=COCO
    )
    assert code == (not loads)
    if not loads:
        (finding,) = errors(findings)
        assert 'val_dataloader.dataset.pipeline loads none' in finding
        assert "type='CocoMetric'" in finding


@pytest.mark.parametrize(
    'base, metric, words',
    [
        (DETECTOR, "type='mmseg.IoUMetric'", 'predicts boxes'),
        (SEGMENTOR, "type='mmdet.CocoMetric'", 'a label for each pixel'),
    ],
)
def test_metric_of_the_other_task(base, metric, words, lint):
    _, findings = lint(evaluator(metric), base=base)
    (finding,) = errors(findings)
    assert finding.startswith('error    val_evaluator.type: ')
    assert words in finding


def test_masks_of_a_detector_without(lint):
    _, (finding,) = lint(
        "val_evaluator = dict(metric=['bbox', 'segm'])", base=DETECTOR
    )
    assert finding.startswith("error    val_evaluator.metric: 'segm', and a ")


def test_metric_that_does_not_exist(lint):
    _, (finding,) = lint(
        "val_evaluator = [dict(type='CocoMetrik')]", base=DETECTOR
    )
    assert finding.startswith("error    val_evaluator.0.type: 'CocoMetrik'")
    assert "Did you mean 'CocoMetric'?" in finding


def test_no_evaluator(lint):
    _, (finding,) = lint('val_evaluator = None', base=DETECTOR)
    assert finding.startswith('error    val_evaluator: not set')
    assert 'val_dataloader and val_cfg' in finding
