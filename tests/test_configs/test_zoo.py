"""What holds for every config of a full-size model, whatever its method."""

import itertools
import math
from collections import Counter
from pathlib import Path

import pytest
import yaml
from mmengine.registry import DATASETS

from cankd_mm.utils.config_path import resolve_path
from tests.test_configs import zoo

ALL = zoo.configs()
DISTILLED = [path for path in ALL if zoo.distilled(path)]
TEACHERS = zoo.configs('teachers')
BASELINES = zoo.CONFIGS / 'baselines'
EPOCHS = {'1x': 12, '2x': 24, '300e': 300}
# Data sets by their names in config names.
DATA = dict(
    [
        ('coco', ('mmdet.CocoDataset', 'data/coco/')),
        ('voc0712', ('mmdet.VOCDataset', 'data/VOCdevkit/')),
        ('voc12aug', ('mmseg.PascalVOCDataset', 'data/VOCdevkit/VOC2012')),
        ('coco-stuff10k', ('mmseg.COCOStuffDataset', 'data/coco_stuff10k')),
        ('coco-stuff164k', ('mmseg.COCOStuffDataset', 'data/coco_stuff164k')),
        ('cityscapes', ('mmseg.CityscapesDataset', 'data/cityscapes/')),
        ('own-boxes', ('mmdet.CocoDataset', 'data/own/')),
        ('own-masks', ('mmseg.PascalVOCDataset', 'data/own/')),
    ]
)
# Images a step, where not 16, by student or data set.
BATCH_SIZES = {
    'cityscapes': 8,
    'own-boxes': 2,
    'own-masks': 4,
    'rtmdet-s': 256,
}
# Words of the libraries' config names that ours say otherwise, or not at all.
WORDS = {'_': '-', '-moment': '', 'dconv': 'dcn', '-5scale': ''}


def parts(path: Path) -> list[str]:
    """[method and teacher,] model, schedule and data set of a name."""
    return path.stem.split('_')


def every(paths):
    return pytest.mark.parametrize('path', paths, ids=zoo.name)


def test_every_file_is_tested_as_one_kind_of_config(capsys):
    kinds = dict(zoo=ALL, digits=zoo.DIGITS, fragments=zoo.FRAGMENTS)
    tested = Counter(itertools.chain(*kinds.values()))
    assert tested == Counter(zoo.ALL_FILES)
    with capsys.disabled():
        counts = [f'{len(paths)} {kind}' for kind, paths in kinds.items()]
        print(f'\n{len(zoo.ALL_FILES)} configs: {", ".join(counts)}')


@every(zoo.FRAGMENTS)
def test_fragment_is_a_config(path):
    assert zoo.read(path)


def test_every_fragment_is_part_of_a_config_that_runs():
    unused = set(zoo.FRAGMENTS) - zoo.reached([*ALL, *zoo.DIGITS])
    assert not sorted(unused)


@every(ALL)
def test_trains_a_step_and_predicts(path):
    model = zoo.build(path)
    losses = zoo.train_step(model, path)
    assert all(math.isfinite(value) for value in losses.values())
    if zoo.distilled(path):
        distill = [
            value
            for key, value in losses.items()
            if key.startswith('distill.') and 'loss' in key
        ]
        assert distill and all(value > 0 for value in distill)
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
    kind = {'mmdet': 'pred_instances', 'mmseg': 'pred_sem_seg'}
    found = kind[zoo.read(path).default_scope]
    samples = zoo.predict(model, path)
    assert len(samples) == 2 and all(found in sample for sample in samples)


@every(ALL)
def test_schedule_is_the_one_in_the_name(path):
    cfg = zoo.read(path)
    schedule = parts(path)[-2]
    if schedule.endswith('k'):
        length = cfg.train_cfg.max_iters
        assert length == 1000 * int(schedule[:-1])
        checkpoint = cfg.default_hooks.checkpoint
        assert not checkpoint.by_epoch and length % checkpoint.interval == 0
    else:
        length = cfg.train_cfg.max_epochs
        repeats = cfg.train_dataloader.dataset.get('times', 1)
        assert length * repeats == EPOCHS[schedule]
    assert cfg.param_scheduler[-1].end == length
    others = [BATCH_SIZES[part] for part in parts(path) if part in BATCH_SIZES]
    assert [cfg.auto_scale_lr.base_batch_size] == (others or [16])


@every(ALL)
def test_data_set_is_the_one_in_the_name(path):
    cfg = zoo.read(path)
    kind, root = DATA[parts(path)[-1]]
    for split in ('train', 'val', 'test'):
        sets = [
            part
            for part in zoo.dicts(cfg[f'{split}_dataloader'].dataset)
            if 'pipeline' in part
        ]
        assert sets
        for data in sets:
            assert f'{cfg.default_scope}.{data.type}' == kind
            assert data.data_root == root


@every(ALL)
def test_heads_have_the_classes_of_the_data_set(path):
    kind, _ = DATA[parts(path)[-1]]
    classes = len(DATASETS.get(kind).METAINFO['classes'])
    models = [zoo.student_config(path)]
    if zoo.distilled(path):
        models.append(zoo.teacher_config(path))
    for model in models:
        heads = [
            part['num_classes']
            for part in zoo.dicts(model)
            if 'num_classes' in part
        ]
        assert heads and set(heads) == {classes}


@every(ALL)
def test_package_is_imported_while_it_is_read(path):
    # Without it `data_root` and `classes` would not count in programs that
    # know only MMEngine.
    assert zoo.read(path).custom_imports.imports == ['cankd_mm']


@every(ALL)
def test_runner_gives_the_model_its_own_preprocessor(path):
    # The runner hands a `data_preprocessor` of the config to the model, past
    # the student's.
    cfg = zoo.read(path)
    if 'data_preprocessor' in cfg:
        cfg.data_preprocessor.pop('_scope_', None)
        assert (
            cfg.data_preprocessor == zoo.student_config(path).data_preprocessor
        )


@every(DISTILLED)
def test_distilled_student_differs_from_the_baseline_by_the_teacher_alone(
    path,
):
    _, _, student, schedule, data = parts(path)
    baseline = zoo.read(BASELINES / f'{student}_{schedule}_{data}.py')
    assert not zoo.differences(zoo.read(path), baseline)


@every(DISTILLED)
def test_student_is_written_beside_every_checkpoint(path):
    hooks = zoo.read(path).default_hooks.values()
    assert dict(type='StudentCheckpointHook') in hooks


@every(DISTILLED)
def test_teacher_is_the_one_in_the_name_and_so_are_its_weights(path):
    model = zoo.read(path).model
    teacher = Path(resolve_path(model.teacher.cfg_path, 'teacher'))
    assert in_our_words(teacher.stem).startswith(parts(path)[1])
    if model.teacher_ckpt.startswith('https://'):
        assert listed_weights(teacher) == model_path(model.teacher_ckpt)
    else:
        assert teacher.resolve() in TEACHERS
        assert parts(teacher)[-1] == parts(path)[-1]
        assert model.teacher_ckpt == last_checkpoint(teacher)


def in_our_words(name: str) -> str:
    """A library's name of a config, as ours would begin."""
    for theirs, ours in WORDS.items():
        name = name.replace(theirs, ours)
    return name


def listed_weights(config: Path) -> str:
    """The weights that a library's metafile lists for one of its configs."""
    (metafile,) = config.parent.glob('metafile.y*ml')
    return next(
        model_path(entry['Weights'])
        for entry in yaml.safe_load(metafile.read_text())['Models']
        if Path(entry['Config']).name == config.name and 'Weights' in entry
    )


def model_path(url: str) -> str:
    """A URL without the host, which differs between the libraries' forks."""
    return url.split('/', 3)[3]


def last_checkpoint(config: Path) -> str:
    """What ``tools/train.py`` writes at the end, from the root."""
    train = zoo.read(config).train_cfg
    last = (
        f'iter_{train.max_iters}'
        if 'max_iters' in train
        else f'epoch_{train.max_epochs}'
    )
    return f'work_dirs/{config.stem}/{last}.pth'


@every(TEACHERS)
def test_readme_says_where_the_teachers_weights_are(path):
    readme = (path.parent / 'README.md').read_text()
    (row,) = [line for line in readme.splitlines() if path.name in line][:1]
    assert last_checkpoint(path) in row
