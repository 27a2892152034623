"""Paths are text."""

import pytest

COCO = 'configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py'


@pytest.mark.parametrize(
    'key, body',
    [
        ('ann_file', "ann_file=('a.json',)"),
        ('data_prefix.img', "data_prefix=dict(img=('photos/',))"),
    ],
)
def test_comma_after_a_path(key, body, lint):
    code, findings = lint(
        f'train_dataloader = dict(dataset=dict({body}))', base=COCO
    )
    (finding,) = findings
    assert code == 1
    assert finding.startswith(f'error    train_dataloader.dataset.{key}: (')
    assert 'is a tuple of one path' in finding
    assert 'remove the comma' in finding


def test_path(lint):
    body = "train_dataloader = dict(dataset=dict(ann_file='a.json'))"
    assert lint(body, base=COCO) == (0, [])


def test_comma_after_the_work_dir(lint):
    _, (finding,) = lint("work_dir = 'runs',", base=COCO)
    assert finding.startswith("error    work_dir: ('runs',) is a tuple")
