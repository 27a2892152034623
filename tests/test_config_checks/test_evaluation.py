"""Predictions are compared to the annotations of the same images."""

COCO = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'
MOVED = "val_dataloader = dict(dataset=dict(data_root='{}'))"


def test_metric_reads_another_annotation_file(lint):
    _, (finding,) = lint(MOVED.format('mine'), base=COCO)
    assert finding.startswith('warning  val_evaluator.ann_file: data/coco/')
    assert 'expected mine/annotations/' in finding


def test_same_file_in_other_words(lint):
    assert lint(MOVED.format('./data/coco'), base=COCO) == (0, [])
