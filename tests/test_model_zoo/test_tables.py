"""The tables of small folders, letter by letter."""

import pytest

from cankd_mm.model_zoo.tables import (
    baseline_table,
    distillation_tables,
    teacher_table,
)

COCO = 'cankd_retinanet-r101_retinanet-r50_2x_coco'
INHERITING = 'cankd-inherit_retinanet-r101_retinanet-r50_2x_coco'
VOC = 'cankd_retinanet-r101_retinanet-r50_1x_voc0712'
STUFF = 'cankd_pspnet-r101_pspnet-r18_40k_coco-stuff10k'
METAFILE = f"""
Models:
  - Name: {COCO}
    Config: configs/cankd/{COCO}.py
    Paper Results:
      Teacher: 38.9
      Student: '37.40'
      Distilled: 39.7
      Notes:
        Student: &twice A note of two figures.
        Distilled: A note of one.
    Results:
      - Task: Object Detection
        Dataset: COCO
        Metrics:
          box AP: 39.5
  - Name: {STUFF}
    Config: configs/cankd/{STUFF}.py
  - Name: {INHERITING}
    Config: configs/cankd/{INHERITING}.py
    Paper Results:
      Distilled: 39.8
      Notes:
        Distilled: *twice
  - Name: {VOC}
    Config: configs/cankd/{VOC}.py
"""
TABLES = f"""\
### Detection

Figures: box AP on COCO; AP50 on Pascal VOC 2007 + 2012.

| Pair | Data set | Schedule | paper: teacher | paper: student | \
paper: CanKD | here |
| --- | --- | --- | --- | --- | --- | --- |
| [RetinaNet R101 → R50]({COCO}.py) | COCO | 2x | 38.9 | 37.40¹ | 39.7² | \
39.5 box AP |
| [RetinaNet R101 → R50, inheriting]({INHERITING}.py) | COCO | 2x | – | – | \
39.8¹ | not run |
| [RetinaNet R101 → R50]({VOC}.py) | Pascal VOC 2007 + 2012 | 1x | – | – | – \
| not run |

¹ A note of two figures.\\
² A note of one.

<details><summary>Commands</summary>

```shell
python tools/train.py configs/cankd/{COCO}.py
python tools/train.py configs/cankd/{INHERITING}.py
python tools/train.py configs/cankd/{VOC}.py
```

</details>

### Segmentation

Figures: mIoU on COCO-Stuff 10k.

| Pair | Data set | Schedule | here |
| --- | --- | --- | --- |
| [PSPNet R101 → R18]({STUFF}.py) | COCO-Stuff 10k | 40k | not run |

<details><summary>Commands</summary>

```shell
python tools/train.py configs/cankd/{STUFF}.py
```

</details>"""


def test_tables_of_a_method(tmp_path):
    (tmp_path / 'metafile.yml').write_text(METAFILE)
    assert distillation_tables(tmp_path) == TABLES


@pytest.mark.parametrize(
    'old, new, message',
    [
        (f'cankd/{VOC}.py', 'cankd/other.py', f'{VOC}: `Config` is .*other'),
        ('Teacher:', 'Techer:', f'{COCO}: `Paper Results` have Techer'),
        ('Distilled: A', 'Distiled: A', f'{COCO}: .*have Distiled'),
    ],
)
def test_faults_of_a_metafile_are_named(old, new, message, tmp_path):
    assert METAFILE.count(old) == 1
    (tmp_path / 'metafile.yml').write_text(METAFILE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        distillation_tables(tmp_path)


def test_baselines_are_grouped_by_data_set_and_schedule(tmp_path):
    for name in (
        'retinanet-r50_2x_coco',
        'retinanet-swin-t_1x_coco',
        'faster-rcnn-r50_2x_coco',
        'pspnet-r18_80k_cityscapes',
    ):
        (tmp_path / f'{name}.py').touch()
    assert baseline_table(tmp_path) == (
        '| Data set | Schedule | Models |\n'
        '| --- | --- | --- |\n'
        '| COCO | 1x | [RetinaNet Swin-T](retinanet-swin-t_1x_coco.py) |\n'
        '| COCO | 2x | [Faster R-CNN R50](faster-rcnn-r50_2x_coco.py), '
        '[RetinaNet R50](retinanet-r50_2x_coco.py) |\n'
        '| Cityscapes | 80k | [PSPNet R18](pspnet-r18_80k_cityscapes.py) |'
    )


def test_teachers_are_listed_with_their_last_checkpoint(tmp_path):
    epochs = 'retinanet-r101_1x_voc0712'
    iterations = 'pspnet-r101_40k_voc12aug'
    (tmp_path / f'{epochs}.py').write_text('train_cfg = dict(max_epochs=4)')
    (tmp_path / f'{iterations}.py').write_text(
        'train_cfg = dict(max_iters=40000)'
    )
    assert teacher_table(tmp_path).splitlines()[2:] == [
        f'| [RetinaNet R101]({epochs}.py) | Pascal VOC 2007 + 2012 | 1x '
        f'| `work_dirs/{epochs}/epoch_4.pth` |',
        f'| [PSPNet R101]({iterations}.py) | Pascal VOC 2012 + Aug | 40k '
        f'| `work_dirs/{iterations}/iter_40000.pth` |',
    ]
