"""Where a training writes its checkpoints, as MMEngine's hook decides it."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook

from cankd_mm.engine.runner.checkpoint_places import (
    CheckpointPlace,
    checkpoint_places,
)

SAVING = dict(type='CheckpointHook')


def place(**options) -> str:
    hooks = dict(checkpoint=dict(SAVING, **options))
    (found,) = checkpoint_places(
        Config(dict(work_dir='a/run', default_hooks=hooks))
    )
    return str(found)


@pytest.mark.parametrize(
    'options, expected',
    [
        (dict(), 'a/run/epoch_*.pth'),
        (dict(by_epoch=False), 'a/run/iter_*.pth'),
        (dict(filename_tmpl='at_{:05d}.pth'), 'a/run/at_*.pth'),
        (dict(out_dir='elsewhere'), 'elsewhere/run/epoch_*.pth'),
        (dict(out_dir='s3://b/'), 's3://b/run/epoch_*.pth'),
    ],
)
def test_one_hook(options, expected):
    assert place(**options) == expected


def test_a_config_without_hooks_has_mmengines_own():
    (found,) = checkpoint_places(Config(dict(work_dir='run')))
    assert str(found) == 'run/epoch_*.pth'


def test_custom_hooks_count_and_no_hook_saves_nothing():
    cfg = Config(
        dict(
            work_dir='run',
            default_hooks=dict(checkpoint=None),
            custom_hooks=[
                dict(type='EMAHook'),
                dict(type=CheckpointHook, by_epoch=False),
            ],
        )
    )
    assert list(map(str, checkpoint_places(cfg))) == ['run/iter_*.pth']


@pytest.mark.parametrize('template', ['epoch_{}.pth', 'e_{:03d}_(x).pth'])
def test_files_are_those_that_the_hook_would_write(template, tmp_path):
    cfg = Config(
        dict(
            work_dir=str(tmp_path),
            default_hooks=dict(
                checkpoint=dict(SAVING, filename_tmpl=template)
            ),
        )
    )
    for number in (9, 10):
        (tmp_path / template.format(number)).touch()
    for other in ('epoch_1_student.pth', 'best_mAP_epoch_1.pth', 'epoch_.pth'):
        (tmp_path / other).touch()
    (found,) = checkpoint_places(cfg)
    assert sorted(found.files()) == [
        (number, Path(tmp_path, template.format(number))) for number in (9, 10)
    ]


def test_a_hook_of_a_library_that_is_not_imported_yet_counts():
    found = place(type='OtherCheckpointHook', by_epoch=False)
    assert found == 'a/run/iter_*.pth'


@pytest.mark.parametrize(
    'name, expected',
    [
        ('epoch_3.pt', True),
        ('best_coco_bbox_mAP_epoch_3.pt', True),
        ('epoch_3_student.pth', True),
        ('best_mIoU_epoch_3_student.pth', True),
        ('published.pth', False),
        ('my_student.pth', False),
        ('epoch_3.pth', False),
    ],
)
def test_names_that_a_training_writes(name, expected):
    place = CheckpointPlace('run', 'epoch_{}.pt')
    assert place.is_written(name) == expected


@pytest.mark.parametrize(
    'work_dir, name', [('.', 'here'), ('link', 'link'), ('run/', 'run')]
)
def test_a_folder_is_named_as_the_hook_names_it(
    work_dir, name, tmp_path, monkeypatch
):
    # After the absolute path of the work dir; links are not followed.
    here = tmp_path / 'here'
    (here / 'run').mkdir(parents=True)
    (here / 'link').symlink_to('run')
    monkeypatch.chdir(here)
    hooks = dict(checkpoint=dict(SAVING, out_dir='far'))
    cfg = Config(dict(work_dir=work_dir, default_hooks=hooks))
    (found,) = checkpoint_places(cfg)
    assert found.folder == f'far/{name}'


def test_a_template_without_a_number_names_one_file(tmp_path):
    (tmp_path / 'latest.pth').touch()
    place = CheckpointPlace(str(tmp_path), 'latest.pth')
    assert place.files() == [(0, tmp_path / 'latest.pth')]
