"""Missing training data are told before anything is built."""

import pytest
from mmengine.config import Config

from cankd_mm.engine import training
from cankd_mm.engine.training import TrainingOptions, training_runner
from cankd_mm.engine.training_data import require_training_data


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Whether a config of a train data set comes to building a runner."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, 'build_runner', lambda cfg: 'built')
    monkeypatch.setattr(training, 'guard_losses', lambda runner: None)
    monkeypatch.setattr(
        training, 'scale_by_accumulated_images', lambda runner: None
    )
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/train.json').touch()

    def run(dataset: dict, scope: str = 'mmdet'):
        cfg = Config(
            dict(
                default_scope=scope,
                model={},
                train_dataloader=dict(dataset=dataset),
            )
        )
        return training_runner(cfg, TrainingOptions(check=False))

    return run


def coco(**paths) -> dict:
    return dict(type='CocoDataset', **paths)


def missing(build, dataset: dict, **options) -> str:
    with pytest.raises(FileNotFoundError) as error:
        build(dataset, **options)
    return str(error.value)


def test_missing_folder_names_key_path_place_and_remedy(build, tmp_path):
    message = missing(build, coco(data_root='nowhere/', ann_file='a.json'))
    key = 'train_dataloader.dataset.data_root'
    assert message.startswith(f"{key}='nowhere/': there is no nowhere")
    assert str(tmp_path) in message
    assert 'python tools/prepare_data.py' in message


def test_missing_annotations_in_wrappers_and_lists(build):
    sets = [
        coco(data_root='data/', ann_file='train.json'),
        coco(data_root='data/', ann_file='val.json'),
    ]
    wrapped = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(type='ConcatDataset', datasets=sets),
    )
    assert missing(build, wrapped).startswith(
        'train_dataloader.dataset.dataset.datasets.1.ann_file='
        "'val.json': there is no data/val.json"
    )


def test_missing_folder_of_a_segmentation_set(build):
    found = missing(
        build, dict(type='ADE20KDataset', data_root='no'), scope='mmseg'
    )
    assert "data_root='no'" in found


@pytest.mark.parametrize(
    'dataset',
    [
        coco(data_root='data/', ann_file='train.json'),
        coco(data_root='data', ann_file=''),
        coco(ann_file='data/train.json'),
        coco(data_root='s3://a/', ann_file='b.json'),
        coco(data_root='a/', backend_args=dict(backend='petrel')),
        # It makes its own files.
        dict(type='mmdet.DigitsDetectionDataset', data_root='later'),
    ],
)
def test_data_that_are_there_remote_or_made_are_no_obstacle(build, dataset):
    assert build(dataset) == 'built'


def test_absolute_annotations_stand_for_themselves(build, tmp_path):
    path = str(tmp_path / 'data' / 'train.json')
    assert build(coco(data_root='data', ann_file=path)) == 'built'


def test_one_class_without_a_comma_is_named(tmp_path):
    data = dict(
        type='mmdet.CocoDataset',
        data_root=str(tmp_path),
        ann_file='',
        metainfo=dict(classes='cat'),
    )
    cfg = Config(
        dict(default_scope='mmdet', train_dataloader=dict(dataset=data))
    )
    with pytest.raises(ValueError, match=r"classes='cat' is text.*\('cat',\)"):
        require_training_data(cfg)
    (tmp_path / 'names.txt').write_text('cat')
    data['metainfo'] = dict(classes=str(tmp_path / 'names.txt'))
    cfg.train_dataloader.dataset = data
    require_training_data(cfg)
