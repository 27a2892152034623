"""Names of checkpoints are those that the hook gives, and no others."""

import pytest

from cankd_mm.checkpoint.checkpoint_names import (
    checkpoint_pattern,
    folder_of,
    is_checkpoint_name,
)


@pytest.mark.parametrize(
    ('template', 'name', 'step'),
    [
        ('epoch_{}.pth', 'epoch_12.pth', '12'),
        ('epoch_{:03d}.pth', 'epoch_012.pth', '012'),
        ('{}.pth', '7.pth', '7'),
        ('a.{0}+{0}.pt', 'a.3+3.pt', '3'),
    ],
)
def test_step_in_a_name(template, name, step):
    assert checkpoint_pattern(template).fullmatch(name)[1] == step
    assert is_checkpoint_name(name, template)
    assert is_checkpoint_name(f'best_coco_bbox_mAP_{name}', template)


@pytest.mark.parametrize(
    ('template', 'name'),
    [
        ('{}.pth', 'teacher.pth'),
        ('epoch_{}.pth', 'epoch_1_student.pth'),
        ('epoch_{}.pth', 'epoch_one.pth'),
        ('epoch_{}.pth', 'epoch_1xpth'),
        ('epoch_{}.pth', 'a/epoch_1.pth'),
        ('epoch_{}.pth', 'best_/epoch_1.pth'),
    ],
)
def test_other_names(template, name):
    assert not is_checkpoint_name(name, template)


@pytest.mark.parametrize(
    ('out_dir', 'work_dir', 'folder'),
    [
        (None, 'work_dirs/run', 'work_dirs/run'),
        ('work_dirs/run', 'work_dirs/run', 'work_dirs/run'),
        ('/disk', 'work_dirs/run/', '/disk/run'),
        ('s3://bucket/dir/', 'work_dirs/run', 's3://bucket/dir/run'),
    ],
)
def test_folder(out_dir, work_dir, folder):
    assert folder_of(out_dir, work_dir) == folder
