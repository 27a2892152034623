"""Makes the config of a pair from the configs of two models."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from cankd_mm.config.class_heads import class_counts
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.features import student_features, teacher_features
from cankd_mm.pairing.methods import METHODS
from cankd_mm.pairing.published_weights import published_weights
from cankd_mm.pairing.two_models import TwoModels
from cankd_mm.pairing.write import Recipe, base_path, config_text
from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_path import resolve_path
from cankd_mm.utils.config_walk import dicts
from cankd_mm.utils.model_config import model_config_from_file

# What FrozenTeacherDistill tries without being told.
_DRY_RUN_SIZE = (256, 256)


@dataclass(frozen=True)
class PairRequest:
    """What a user asks for.

    Attributes:
        student: The student's config: a file, or ``package::path``.
        teacher: The teacher's, likewise.
        method: 'cankd', 'tat', 'lakd' or 'cskd'.
        teacher_ckpt: The teacher's weights; None for those that the metafile
            of the teacher's config lists.
        at: Where features are compared, None for the method's own place.
        data_root: Where the training data are, None for the recipe's.
        classes: Their classes, None for the recipe's.
        size: Height and width of the image on which features are looked at,
            None for the recipe's own.
        folder: Where the config will be written; None for a config that
            names its base with an absolute path.
    """

    student: str
    teacher: str
    method: str
    teacher_ckpt: str | None = None
    at: str | None = None
    data_root: str | None = None
    classes: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Pair:
    """A config, and what was chosen for it.

    Attributes:
        text: The config file's.
        summary: What is compared, in a line.
        notes: What a user should know.
        teacher_ckpt: The teacher's weights that it names, None without.
    """

    text: str
    summary: str
    notes: list[str]
    teacher_ckpt: str | None


def make_pair(request: PairRequest) -> Pair:
    """Make the config of a pair.

    Both models run once on one image, without weights where that is possible.

    Args:
        request: What is asked for.

    Raises:
        PairingError: The method makes no sense for the pair, or nothing of
            the two models matches. The message has the reason.
        FileNotFoundError: There is no such config.
        ValueError: A config has no model, or the model cannot be built.
    """
    if request.method not in METHODS:
        raise PairingError(
            f'method {request.method!r}: expected one of {", ".join(METHODS)}'
        )
    cfg = read_student(request)
    scope = cfg.get('default_scope') or 'mmengine'
    student = model_of(cfg)
    teacher, teacher_scope = model_config_from_file(
        dict(cfg_path=request.teacher), 'teacher'
    )
    fixed = request.size or fixed_size(cfg)
    models = TwoModels(
        _looked_at('student', student_features, student, scope, fixed),
        _looked_at('teacher', teacher_features, teacher, teacher_scope, fixed),
        is_segmentor=scope == 'mmseg',
        classes=(class_count(student), class_count(teacher)),
        at=request.at,
    )
    draft = METHODS[request.method](models)
    if draft.dry_run_size is None and fixed and fixed != _DRY_RUN_SIZE:
        draft.dry_run_size = fixed
    recipe = Recipe(
        student=base_path(request.student, request.folder),
        teacher=request.teacher,
        teacher_ckpt=request.teacher_ckpt
        or published_weights(request.teacher),
        imports=(cfg.get('custom_imports') or {}).get('imports') or (),
        data_root=request.data_root,
        classes=request.classes,
    )
    text = config_text(recipe, request.method, draft)
    return Pair(text, draft.summary, draft.notes, recipe.teacher_ckpt)


def read_student(request: PairRequest) -> Config:
    """Read the student's recipe, on the data that are asked for.

    Args:
        request: What is asked for.

    Raises:
        PairingError: It is a distillation already, or written in MMEngine's
            Python style, which is no base for another config.
    """
    path = resolve_path(request.student, 'student')
    if Config._is_lazy_import(path):
        raise PairingError(
            f'{request.student} is written with Python imports, and MMEngine '
            'takes no such config as the base of another one. Write it as '
            f'one file first: tools/print_config.py {request.student} --out '
            'student.py'
        )
    options: dict[str, Any] = {}
    if request.data_root is not None:
        options['data_root'] = request.data_root
    if request.classes is not None:
        options['classes'] = request.classes
    cfg = config_from_file(request.student, 'student', options)
    if 'model' not in cfg:
        raise PairingError(
            f'{request.student} defines no `model`. Name the config of a '
            'whole detector or segmentor'
        )
    if 'architecture' in cfg.model:
        raise PairingError(
            f'{request.student} is a distillation already. Name the config of '
            'the student by itself'
        )
    return cfg


def model_of(cfg: Config) -> Mapping[str, Any]:
    """Return the model of a whole config, with its data preprocessor.

    Args:
        cfg: A plain config.
    """
    model = dict(cfg.model)
    if 'data_preprocessor' in cfg:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return model


def fixed_size(cfg: Config) -> tuple[int, int] | None:
    """Return the one size that a recipe brings all its images to, if any.

    Args:
        cfg: A plain config.

    Returns:
        Height and width.
    """
    size = (model_of(cfg).get('data_preprocessor') or {}).get('size')
    if isinstance(size, list | tuple) and len(size) == 2:
        return tuple(size)
    for _, step in dicts(cfg.get('train_dataloader') or {}):
        scale = step.get('scale')
        if (
            step.get('type') == 'Resize'
            and step.get('keep_ratio') is False
            and isinstance(scale, list | tuple)
        ):
            return tuple(scale)[::-1]
    return None


def class_count(model: Mapping[str, Any]) -> int | None:
    """Return how many classes the heads of a model tell apart.

    Args:
        model: A detector's or segmentor's config.

    Returns:
        None where they do not agree, or say nothing.
    """
    counts = set(class_counts(model).values())
    if not counts:  # a head of one class counts nothing
        counts = {
            head['num_classes']
            for key, head in dicts(model)
            if key.partition('.')[0] in ('bbox_head', 'decode_head')
            and head.get('num_classes')
        }
    return counts.pop() if len(counts) == 1 else None


def _looked_at(role, look, model, scope, size):
    try:
        return look(model, scope, size)
    except ValueError as error:
        raise PairingError(f'the {role}: {error}') from error
