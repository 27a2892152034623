"""Finds the configs, and steps those of full-size models, without downloads.

A folder of ``configs/`` is covered by ``test_zoo.py`` as soon as it exists.
"""

import ast
import copy
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope

from cankd_mm.utils import config_walk
from cankd_mm.utils.distillation_config import plain_student_config
from cankd_mm.utils.model_config import model_config_from_file
from tests import tiny_models
from tests.commands import ROOT

CONFIGS = ROOT / 'configs'
ALL_FILES = sorted(CONFIGS.rglob('*.py'))
FRAGMENTS = sorted((CONFIGS / '_base_').rglob('*.py'))
# These have tests of their own, with data and a runner.
DIGITS = sorted((CONFIGS / 'digits').glob('*.py'))
FOLDERS = sorted(
    folder
    for folder in CONFIGS.iterdir()
    if folder.is_dir() and folder.name not in ('_base_', 'digits')
)
# Two classes stand in for all: the heads keep theirs.
BATCHES = dict(
    mmdet=functools.partial(
        tiny_models.detection_batch, num_classes=2, size=128
    ),
    mmseg=functools.partial(
        tiny_models.segmentation_batch, num_classes=2, size=64
    ),
)


def name(path: Path) -> str:
    """How pytest calls a config."""
    return path.stem


def configs(*folders: str) -> list[Path]:
    """The configs of the named folders, or of all but the digits."""
    return [
        path
        for folder in FOLDERS
        if not folders or folder.name in folders
        for path in sorted(folder.glob('*.py'))
    ]


@functools.cache
def _read(path: Path) -> Config:
    return Config.fromfile(path)


def read(path: Path) -> Config:
    """A config, free to be changed."""
    return copy.deepcopy(_read(path))


def distilled(path: Path) -> bool:
    """Whether a config trains a student with a teacher."""
    if path in FRAGMENTS or path.parent.name in ('baselines', 'teachers'):
        return False
    return not path.stem.startswith(('baseline_', 'teacher_'))


def bases(path: Path) -> list[Path]:
    """The files of ours that a config names in its ``_base_``."""
    for statement in ast.parse(path.read_text()).body:
        match statement:
            case ast.Assign(targets=[ast.Name('_base_')], value=value):
                named = ast.literal_eval(value)
                named = [named] if isinstance(named, str) else named
                return [
                    (path.parent / base).resolve()
                    for base in named
                    if '::' not in base  # of a library
                ]
    return []


def reached(paths: Iterable[Path]) -> set[Path]:
    """Configs and all that they stand on."""
    return {file for path in paths for file in {path, *reached(bases(path))}}


def student_config(path: Path) -> dict:
    """The model that is tested: the student of a distillation."""
    model = read(path).model
    return model.get('architecture', model)


def teacher_config(path: Path) -> dict:
    """The teacher's model."""
    return model_config_from_file(read(path).model.teacher, 'teacher')[0]


def differences(distilled: Config, baseline: Config) -> list[str]:
    """The keys in which a distillation without its teacher is another run."""
    plain = plain_student_config(distilled)
    for config in (plain, baseline):
        config.model.pop('_scope_', None)
    return [
        key
        for key in baseline
        if key != 'distillation_hooks' and plain[key] != baseline[key]
    ]


def dicts(config) -> Iterator[dict]:
    """Every dict of a config, the outer ones first."""
    return (part for _, part in config_walk.dicts(config))


def build(path: Path) -> BaseModel:
    """The model of a config, with random weights, in training mode."""
    cfg = read(path)
    batch = BATCHES[cfg.default_scope]()
    size = tuple(batch['inputs'][0].shape[1:])
    model = cfg.model
    if distilled(path):
        model.update(
            teacher_ckpt=None, allow_random_teacher=True, dry_run_size=size
        )
    student = model.get('architecture', model)
    for part in dicts(student):
        for key in part.keys() & {'pretrained', 'init_cfg'}:
            if key == 'pretrained' or part[key].get('type') == 'Pretrained':
                part[key] = None
    if 'size' in student.data_preprocessor:  # which crops are padded to
        student.data_preprocessor.size = size
    if 'num_queries' in student:  # of a DETR: no more than there are positions
        student.num_queries = 100
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        built = MODELS.build(model)
    built.init_weights()
    # As the runner does without distributed training.
    return revert_sync_batchnorm(built).train()


def train_step(model: BaseModel, path: Path) -> dict[str, float]:
    """Leaves the gradients of one batch and returns the logged losses."""
    batch = BATCHES[_read(path).default_scope]()
    data = model.data_preprocessor(batch, True)
    total, logged = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    return {key: float(value) for key, value in logged.items()}


def predict(model: BaseModel, path: Path) -> list:
    """What the model predicts on one batch."""
    batch = BATCHES[_read(path).default_scope]()
    data = model.data_preprocessor(batch, False)
    with torch.no_grad():
        return model.eval()(**data, mode='predict')
